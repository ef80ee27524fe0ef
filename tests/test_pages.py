"""Checks what the pages of the documentation name: links, files, functions, commands, and the form of a decision."""

import ast
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
GUIDES = [page for page in PAGES if "decisions" not in page.parts and page.name != "CHANGELOG.md"]
DECISIONS = sorted((ROOT / "docs/decisions").glob("*.md"))
PACKAGES = [found.parent for found in ROOT.rglob("py.typed") if ".venv" not in found.parts]

LINK = re.compile(r"\]\(([^)#:]*)(?:#([^)]+))?\)")
CODE = re.compile(r"`(\w+/[\w/.]+\.\w+)(?::([\w.]+))?`")

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
every_guide = pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)


def headings(page):
    """The anchors of a page, as GitHub makes them."""
    lines = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in lines}


@cache
def code():
    """The text of all modules."""
    return "".join(path.read_text() for package in PACKAGES for path in package.rglob("*.py"))


def defined(path):
    """Names that a module defines: functions, classes, methods (`Class.method`) and constants."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found |= {node.name} | {f"{node.name}.{part.name}" for part in node.body if hasattr(part, "name")}
    return found


@every_page
def test_every_link_leads_somewhere(page):
    for target, anchor in LINK.findall(page.read_text()):
        aim = (page.parent / target).resolve() if target else page
        assert aim.exists(), target
        assert not anchor or anchor in headings(aim), f"{target}#{anchor}"


@every_guide
def test_every_file_and_function_that_a_guide_names_is_there(page):
    for file, name in CODE.findall(page.read_text()):
        places = [
            ROOT / file,
            *(package.parent / file for package in PACKAGES),
            *(package / file for package in PACKAGES),
        ]
        found = [place for place in places if place.is_file()]
        assert found, file
        assert not name or name in defined(found[0]), f"{file}:{name}"


@every_guide
def test_every_method_of_a_service_or_transaction_that_a_guide_names_is_there(page):
    text = page.read_text()
    for variable, path, name in (
        ("service", "shared/shared/service/service.py", "Service"),
        ("tx", "shared/shared/transactions/unit_of_work.py", "UnitOfWork"),
    ):
        named = {f"{name}.{method}" for method in re.findall(rf"(?<![\w/-]){variable}\.([a-z_]+)\b(?!\.)", text)}
        logged = {f"{name}.{fact}" for fact in re.findall(rf'"{variable}\.([a-z_]+)"', code())}
        assert named - logged <= defined(ROOT / path)


@every_guide
def test_every_command_that_a_guide_names_is_there(page):
    text = page.read_text()
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make (\w+)", text, re.MULTILINE)) <= targets
    for verb, scenario in re.findall(r"make (bench|chaos) ONLY=(\w+)", text):
        assert (ROOT / "benchmarks" / verb / f"{scenario}.py").is_file() or scenario == "name", f"{verb} {scenario}"
    for module in re.findall(r"python -m ([a-z_.]+)", text):
        assert module == "pytest" or find_spec(module.rstrip(".")), module


@every_guide
def test_every_metric_that_a_guide_names_is_there(page):
    for name in set(re.findall(r"schoolconnect_[a-z_]+", page.read_text())):
        assert f'"{name}"' in code(), name


def test_every_page_is_in_the_index():
    index = (ROOT / "docs/README.md").read_text()
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert {name for name in pages if f"({name})" not in index} == set()


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.name[:4])
def test_a_decision_has_a_number_a_statement_and_a_trigger(page):
    first, _, text = page.read_text().partition("\n")
    number, _, title = first.removeprefix("# ").partition(": ")
    assert page.stem == f"{number}-" + re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    assert "**Revisit when** " in text


def test_no_two_decisions_have_one_number():
    assert len({page.name[:4] for page in DECISIONS}) == len(DECISIONS)

"""Compares docs/promises.md with the tests: each row names tests that exist, each numbered test is in its row."""

import ast
import re
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LISTS, MEASURED = (ROOT / "docs/promises.md").read_text().split("## At full size")
NUMBERS = {"promise": 16, "rule": 17, "seed": 28}
EVERY = [(kind, number) for kind, most in NUMBERS.items() for number in range(1, most + 1)]
OPEN = "not yet proven"

ROW = re.compile(r"^\| (promise|rule|seed) (\d\d) \| (.+) \| (.+) \|$", re.MULTILINE)
ROW_AT_FULL_SIZE = re.compile(r"^\| (promise|rule) (\d\d) \|", re.MULTILINE)
HEAD = re.compile(r"test((?:(?:_and)?_(?:promise|rule|seed)(?:_(?:and_)?\d\d(?!\d))+)+)")
NUMBERED = re.compile(r"(promise|rule|seed)((?:_(?:and_)?\d\d(?!\d))+)")
LABEL = re.compile(r'"(promise|rule) (\d\d): ')


def numbers_of(name):
    """(kind, number) of each promise, rule and defect that a test's name claims to prove."""
    head = HEAD.match(name)
    found = NUMBERED.findall(head[1]) if head else []
    return {(kind, int(number)) for kind, numbers in found for number in re.findall(r"\d\d", numbers)}


@cache
def functions():
    """Each test function in the folders that pytest collects from. To read them all takes a second."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return [
        node
        for folder in settings["tool"]["pytest"]["ini_options"]["testpaths"]
        for path in (ROOT / folder).rglob("test_*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]


@cache
def names():
    return {node.name for node in functions()}


TABLE = {(kind, int(number)): proof for kind, number, _, proof in ROW.findall(LISTS)}
PROOFS = {row: set(re.findall(r"`(test_\w+)`", proof)) for row, proof in TABLE.items()}


def checks(node):
    """Whether a test can fail by itself: it asserts, expects an error, or waits for a condition with `eventually`."""
    return any(
        isinstance(each, ast.Assert)
        or (isinstance(each, ast.Attribute) and each.attr == "raises")
        or (isinstance(each, ast.Name) and each.id == "eventually")
        for each in ast.walk(node)
    )


def marks(node):
    """Names of a test's marks: `skip`, `xfail`, `parametrize`."""
    return {
        each.attr
        for decorator in node.decorator_list
        for each in ast.walk(decorator)
        if isinstance(each, ast.Attribute)
    }


def test_rule_17_each_has_a_test_of_its_name():
    assert set(TABLE) == set(EVERY)
    assert len(ROW.findall(LISTS)) == len(TABLE), "a number has two rows"
    without = {row for row, proofs in PROOFS.items() if not proofs}
    assert without == {row for row, proof in TABLE.items() if proof.startswith(OPEN)}


def test_every_test_in_the_table_exists_and_can_fail():
    proofs = set().union(*PROOFS.values())
    assert proofs - names() == set(), "docs/promises.md names tests that do not exist"
    named = [node for node in functions() if node.name in proofs]
    assert [name for name, count in Counter(node.name for node in named).items() if count > 1] == []
    assert [node.name for node in named if not checks(node)] == []
    assert [node.name for node in named if marks(node) & {"skip", "skipif", "xfail"}] == []


@pytest.mark.parametrize("row", EVERY, ids=lambda row: f"{row[0]}-{row[1]:02}")
def test_every_numbered_test_is_in_its_row(row):
    missing = {name for name in names() if row in numbers_of(name)} - PROOFS[row]
    assert missing == set(), f"add them to row {row[0]} {row[1]:02} of docs/promises.md"


def test_no_test_has_a_number_that_the_table_does_not_have():
    assert {number for name in names() for number in numbers_of(name)} <= set(TABLE)


def test_what_is_measured_at_full_size_is_in_the_table():
    labels = set()
    for path in (ROOT / "benchmarks").rglob("*.py"):
        labels |= {(kind, int(number)) for kind, number in LABEL.findall(path.read_text())}
    assert labels == {(kind, int(number)) for kind, number in ROW_AT_FULL_SIZE.findall(MEASURED)}

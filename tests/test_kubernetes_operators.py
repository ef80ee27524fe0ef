"""Objects of operators are what the operators' own types say, a field that they do not know refused."""

import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
import yaml

from tests.kubernetes_manifests import K8S, OVERLAYS, ROOT, Manifest, combined, renderer

TOOLS = ROOT / ".local" / "operators"
"""Has `installed.json` when everything is there."""
COMPILER = TOOLS / "node_modules" / "typescript" / "bin" / "tsc"
pytestmark = [
    pytest.mark.skipif(renderer() is None, reason="not run: needs kubectl 1.27 or newer, or kustomize"),
    pytest.mark.skipif(
        not ((TOOLS / "installed.json").exists() and shutil.which("node")),
        reason="not run: `make scan` installs the operators' types",
    ),
]

PACKAGES = {
    "gateway.networking.k8s.io": "gateway-api",
    "keda.sh": "keda",
    "monitoring.coreos.com": "prometheus-operator",
    "postgresql.cnpg.io": "cloudnative-pg",
}
"""What has an operator's types, by API group."""
UNTYPED = {"RabbitmqCluster", "ObjectStore"}
"""Kinds whose types no registry of packages has."""
OPTIONS = ["--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "nodenext"]
PROBLEM = re.compile(r"^(?:.*/)?([\w-]+)\.ts\(\d+,\d+\): error (.*)$", re.MULTILINE)


def group(each: Manifest) -> str:
    return str(each["apiVersion"]).partition("/")[0]


def of_operators() -> dict[str, Manifest]:
    """Return the objects of operators in all overlays, by kind and name."""
    objects = [each for overlay in OVERLAYS for each in combined(overlay, ())]
    found = {f"{each['kind']}-{each['metadata']['name']}": each for each in objects}
    custom = {name: each for name, each in found.items() if "." in group(each) and not group(each).endswith(".k8s.io")}
    return custom | {name: each for name, each in found.items() if group(each) in PACKAGES}


def source(each: Manifest) -> str:
    """Write an object as a literal of its type: the compiler refuses fields of a literal that a type does not have."""
    kind = each["kind"]
    module = f"@kubernetes-models/{PACKAGES[group(each)]}/{each['apiVersion']}/{kind}"
    return f'import {{ I{kind} }} from "{module}";\nexport const it: I{kind} = {json.dumps(each, indent=1)};\n'


@pytest.fixture(scope="module")
def problems() -> dict[str, str]:
    """Compile every object, and beside it the same with a field that its type does not have; return what is refused."""
    with tempfile.TemporaryDirectory(dir=TOOLS) as folder:
        for name, each in of_operators().items():
            if each["kind"] not in UNTYPED:
                Path(folder, f"{name}.ts").write_text(source(each))
                wrong = each | {"spec": each["spec"] | {"unheardOf": 1}}
                Path(folder, f"wrong-{name}.ts").write_text(source(wrong))
        files = sorted(str(each) for each in Path(folder).iterdir())
        done = subprocess.run(
            ["node", COMPILER, *OPTIONS, *files], capture_output=True, text=True, check=False, cwd=TOOLS
        )
    assert done.stderr == ""
    return dict(PROBLEM.findall(done.stdout))


def test_each_kind_of_an_operator_in_a_component_is_in_an_overlay_and_has_types_or_is_known_to_have_none():
    files = [each for path in (K8S / "components").glob("*/*.yaml") for each in yaml.safe_load_all(path.read_text())]
    written = {each["kind"] for each in files if "apiVersion" in each and group(each) in PACKAGES}
    found = of_operators().values()
    assert {each["kind"] for each in found if group(each) in PACKAGES} == written
    assert {each["kind"] for each in found if group(each) not in PACKAGES} == UNTYPED


def test_objects_of_operators_are_what_the_operators_types_say(problems):
    assert {name: text for name, text in problems.items() if not name.startswith("wrong-")} == {}


def test_a_field_that_an_operator_does_not_know_is_refused(problems):
    typed = {name for name, each in of_operators().items() if each["kind"] not in UNTYPED}
    refused = {name.removeprefix("wrong-") for name, text in problems.items() if "unheardOf" in text}
    assert refused == typed

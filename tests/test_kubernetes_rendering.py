"""Every overlay and component renders, and each object is one that Kubernetes accepts."""

import re
from functools import cache
from itertools import combinations
from pathlib import Path

import jsonschema_rs
import pytest
import yaml
from kubernetes_validate.utils import schema_contents

from tests.kubernetes_manifests import COMPONENTS, K8S, OVERLAYS, Manifest, combined, renderer

pytestmark = pytest.mark.skipif(renderer() is None, reason="not run: needs kubectl 1.27 or newer, or kustomize")

VERSION = "1.37.0"
"""Of Kubernetes."""
STRICT = f"kubernetes-json-schema/v{VERSION}-local-strict"


def components_of(overlay: str) -> set[str]:
    """Return the components that an overlay has by itself: they can be in it once only."""
    written = K8S / (overlay if overlay == "base" else f"overlays/{overlay}") / "kustomization.yaml"
    return {Path(each).name for each in yaml.safe_load(written.read_text()).get("components", ())}


PAIRS = [("base", pair) for pair in combinations(COMPONENTS, 2)]
MORE = [
    (overlay, (each,)) for overlay in ("base", *OVERLAYS) for each in COMPONENTS if each not in components_of(overlay)
]
COMBINATIONS = [(overlay, ()) for overlay in ("base", *OVERLAYS)] + MORE + PAIRS


def is_custom(each: Manifest) -> bool:
    group = each["apiVersion"].partition("/")[0]
    return ("." in group and not group.endswith(".k8s.io")) or group == "gateway.networking.k8s.io"


@cache
def definitions():
    found = schema_contents(f"{STRICT}/_definitions.json", VERSION)
    return jsonschema_rs.Registry([(found["$id"], found)])


@cache
def validator(kind: str, version: str):
    """The schemas of kubernetes-validate, which itself reads all of them again for each object."""
    name = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", version)
    return jsonschema_rs.validator_for(
        schema_contents(f"{STRICT}/{kind.lower()}-{name}.json", VERSION), registry=definitions()
    )


def problems(each: Manifest) -> list[str]:
    """Say what Kubernetes would not accept of an object, a field that it does not know included."""
    found = validator(each["kind"], each["apiVersion"]).iter_errors(each)
    return [
        f"{each['kind']} {each['metadata']['name']} {problem.instance_path}: {problem.message}" for problem in found
    ]


@pytest.mark.parametrize(
    ("overlay", "components"), COMBINATIONS, ids=["+".join((overlay, *more)) for overlay, more in COMBINATIONS]
)
def test_an_overlay_renders_and_kubernetes_accepts_each_of_its_objects(overlay, components):
    objects = combined(overlay, components)

    names = [(each["kind"], each["metadata"]["name"]) for each in objects]
    assert len(set(names)) == len(names)
    assert [problem for each in objects if not is_custom(each) for problem in problems(each)] == []

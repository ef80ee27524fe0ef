"""Renders deploy/k8s with kubectl or kustomize, for the tests of the manifests."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
K8S = ROOT / "deploy" / "k8s"
OVERLAYS = sorted(each.name for each in (K8S / "overlays").iterdir())
COMPONENTS = sorted(each.name for each in (K8S / "components").iterdir())
SERVICES = ("gateway", "notifier", "files", "reports", "scheduler")
OLDEST = (1, 27)
"""The first kubectl whose kustomize (5.0) knows what is used here."""

Manifest = dict[str, Any]


def renderer() -> list[str] | None:
    """Return the command that renders a folder: kubectl of this environment or of the machine, else kustomize."""
    here = Path(sys.executable).parent / "kubectl"
    for kubectl in (str(here) if here.exists() else None, shutil.which("kubectl")):
        if kubectl is not None:
            said = subprocess.run([kubectl, "version", "--client"], capture_output=True, text=True, check=False).stdout
            if (found := re.search(r"v(\d+)\.(\d+)", said)) and (int(found[1]), int(found[2])) >= OLDEST:
                return [kubectl, "kustomize"]
    return ["kustomize", "build"] if shutil.which("kustomize") else None


@cache
def render(folder: Path) -> tuple[Manifest, ...]:
    """Return all objects of a kustomization."""
    command = renderer()
    assert command, "render() needs kubectl or kustomize"
    done = subprocess.run([*command, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{folder}: {done.stderr}"
    return tuple(yaml.load_all(done.stdout, yaml.CSafeLoader))


@cache
def combined(overlay: str, components: Sequence[str]) -> tuple[Manifest, ...]:
    """Return all objects of an overlay (or of `base`) with more components."""
    with tempfile.TemporaryDirectory() as folder:
        below = K8S / overlay if overlay == "base" else K8S / "overlays" / overlay
        written = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [os.path.relpath(below, folder)],
            "components": [os.path.relpath(K8S / "components" / each, folder) for each in components],
        }
        Path(folder, "kustomization.yaml").write_text(yaml.safe_dump(written))
        return render(Path(folder).resolve())


def of_kind(objects: Sequence[Manifest], *kinds: str) -> dict[str, Manifest]:
    """Return the objects of some kinds by name."""
    return {each["metadata"]["name"]: each for each in objects if each["kind"] in kinds}


def pods(objects: Sequence[Manifest]) -> dict[str, Manifest]:
    """Return the pod specification of each workload, by the workload's name."""
    found = of_kind(objects, "Deployment", "StatefulSet", "Job")
    return {name: each["spec"]["template"]["spec"] for name, each in found.items()}


def containers(pod: Manifest) -> Iterator[Manifest]:
    """Yield all containers of a pod, those that run before or beside the main one included."""
    yield from pod.get("initContainers", ())
    yield from pod["containers"]


def environment(pod: Manifest, objects: Sequence[Manifest]) -> dict[str, str | None]:
    """Return the settings of a pod's main container: variables, and files of secrets, whose value is None."""
    (main,) = pod["containers"]
    maps = of_kind(objects, "ConfigMap")
    found: dict[str, str | None] = {}
    for volume in pod["volumes"]:
        for source in volume.get("projected", {}).get("sources", ()):
            found |= dict.fromkeys(item["path"].upper() for item in source["secret"]["items"])
    for source in main.get("envFrom", ()):
        found |= maps[source["configMapRef"]["name"]]["data"]
    return found | {each["name"]: each.get("value") for each in main.get("env", ())}

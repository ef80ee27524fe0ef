"""What checkov finds in the rendered overlays and in the Dockerfiles is explained in deploy/checkov.yaml."""

import json
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import yaml

from tests.kubernetes_manifests import OVERLAYS, ROOT, combined, renderer

CHECKOV = ROOT / ".local" / "checkov" / "bin" / "checkov"
pytestmark = [
    pytest.mark.skipif(renderer() is None, reason="not run: needs kubectl 1.27 or newer, or kustomize"),
    pytest.mark.skipif(not CHECKOV.exists(), reason="not run: `make scan` installs checkov"),
]

DOCKERFILES = [ROOT / "Dockerfile", *sorted((ROOT / "deploy" / "images").glob("*/Dockerfile"))]
EXPLAINED = {
    (check, place)
    for check, each in yaml.safe_load((ROOT / "deploy" / "checkov.yaml").read_text()).items()
    for place in each["at"]
}


def findings(*files: Path) -> Iterator[tuple[str, str]]:
    """Yield the check and the place (file and object) of everything that checkov finds. It asks no network."""
    command = [CHECKOV, "--skip-download", "--quiet", "--compact", "--soft-fail", "--output", "json"]
    done = subprocess.run(
        [*command, "--framework", "kubernetes", "dockerfile", "--file", *files],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    reports = json.loads(done.stdout)
    assert {each["check_type"] for each in reports} == {"kubernetes", "dockerfile"}
    for report in reports:
        assert report["summary"]["passed"] > 100
        assert report["summary"]["parsing_errors"] == 0
        for each in report["results"]["failed_checks"]:
            path = Path(each["file_abs_path"])
            file = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name
            yield each["check_id"], f"{file} {each['resource']}"


def explains(entry: tuple[str, str], finding: tuple[str, str]) -> bool:
    return entry[0] == finding[0] and fnmatchcase(finding[1], entry[1])


def test_what_checkov_finds_is_explained_and_what_is_explained_is_found(tmp_path):
    for overlay in OVERLAYS:
        (tmp_path / f"{overlay}.yaml").write_text(yaml.safe_dump_all(combined(overlay, ())))

    found = set(findings(*tmp_path.iterdir(), *DOCKERFILES))

    unexplained = {each for each in found if not any(explains(entry, each) for entry in EXPLAINED)}
    outdated = {entry for entry in EXPLAINED if not any(explains(entry, each) for each in found)}
    assert (unexplained, outdated) == (set(), set())

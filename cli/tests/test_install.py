"""requirements/install, with a python that only notes what it was asked."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from cli.layout import ROOT

PYTHON = """#!/bin/bash
echo "$*" >>"$CALLS"
case "$*" in
  "-m venv"*) for last; do :; done; mkdir -p "$last/bin"; cp "$0" "$last/bin/python" ;;
  "-m pip --version") [ -e "$(dirname "$0")/../pip" ] ;;
  "-m pip install"*) touch "$(dirname "$0")/../pip" ;;
esac
"""


@pytest.fixture
def clone(tmp_path):
    folder = tmp_path / "clone"
    (folder / "requirements").mkdir(parents=True)
    (folder / "part").mkdir()
    shutil.copy(ROOT / "requirements" / "install", folder / "requirements")
    (folder / "requirements" / "local.txt").write_text("a==1\n")
    (folder / "requirements" / "dev.txt").write_text("a==1\nb==1\n")
    (folder / "part" / "pyproject.toml").write_text("[project]\n")
    python = tmp_path / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    return folder


def _install(clone, kind="local"):
    """What python was asked to do, one line each."""
    calls = clone.parent / "calls"
    calls.write_text("")
    done = subprocess.run(
        ["requirements/install", clone.parent / "python", ".venv", kind, "part"],
        cwd=clone,
        env={"PATH": os.environ["PATH"], "CALLS": str(calls)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""
    return [line for line in calls.read_text().splitlines() if line.startswith("-m")]


def test_a_new_clone_installs_hashed_third_parties_then_our_own(clone):
    asked = _install(clone)
    assert asked[0] == "-m venv --clear .venv"
    assert "--require-hashes -r requirements/local.txt" in asked[1]
    assert asked[2].endswith("--no-deps --no-build-isolation -e part")


def test_changed_file_times_install_nothing(clone):
    _install(clone)
    for path in clone.rglob("*"):
        os.utime(path)
    assert _install(clone) == []


@pytest.mark.parametrize("name", ["requirements/local.txt", "part/pyproject.toml", "requirements/install"])
def test_changed_content_is_installed(clone, name):
    _install(clone)
    path = clone / name
    before = path.stat()
    path.write_text(path.read_text() + "\n# changed\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert any("install" in line for line in _install(clone))


def test_dev_requirements_include_local_ones(clone):
    _install(clone, "dev")
    assert _install(clone, "local") == []
    assert (clone / ".venv" / "bin" / "python").exists()


def test_a_venv_without_pip_is_recreated(clone):
    _install(clone)
    for stamp in (clone / ".venv").glob(".*.sha256"):
        stamp.unlink()
    (clone / ".venv" / "pip").unlink()
    assert "-m venv --clear .venv" in _install(clone)


def test_a_moved_clone_is_installed_again(clone):
    _install(clone)
    moved = clone.rename(Path(f"{clone}-moved"))
    assert any("-e part" in line for line in _install(moved))

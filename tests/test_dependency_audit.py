"""The audit of dependencies: an affected version ends `make check`, an old list says that today's was not run."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

AUDIT = Path(__file__).parent.parent / "requirements" / "audit"


def audit(folder, pin, updated):
    shutil.copy(AUDIT, folder / "audit")
    (folder / "local.txt").write_text(f"Demo_Package[all]=={pin} \\\n    --hash=sha256:00\n")
    (folder / "advisories.txt").write_text(f"# updated: {updated}\ndemo-package<2.10.0  DEMO-1\n")
    return subprocess.run([sys.executable, folder / "audit"], check=False, capture_output=True, text=True)


@pytest.mark.parametrize(("pin", "code"), [("2.9.1", 1), ("2.10.0", 0), ("2.11", 0)])
def test_an_affected_version_is_named(tmp_path, pin, code):
    done = audit(tmp_path, pin, "2999-01-01")
    assert (done.returncode, "DEMO-1" in done.stderr) == (code, code == 1)


def test_an_old_list_says_that_the_audit_of_today_was_not_run(tmp_path):
    done = audit(tmp_path, "2.10.0", "2020-01-01")
    assert done.returncode == 0
    assert "not run" in done.stderr

"""Debian's packages for what is missing, installed without starting anything."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from cli.screen import say
from shared.errors import Refused

POLICY = Path("/usr/sbin/policy-rc.d")
NO_CLUSTER = Path("/etc/postgresql-common/createcluster.d/schoolconnect.conf")
APT = (
    "apt-get",
    "-o",
    "DPkg::Lock::Timeout=120",
    "-o",
    "Acquire::Retries=5",
)
TRIES = 3


def command(packages: Sequence[str]) -> str:
    """What a person would type."""
    return f"apt-get update && apt-get install -y --no-install-recommends {' '.join(packages)}"


def install(packages: Sequence[str]) -> None:
    """Install packages as root or by `sudo -n`; raises Refused with the exact command where that is not possible."""
    if shutil.which("apt-get") is None:
        raise Refused(
            f"{' and '.join(packages)} must be installed by hand: this machine has no apt-get "
            "(or give AMQP_URL, RABBITMQ_MANAGEMENT_URL and DATABASE_URL of servers that run already)"
        )
    prefix = _prefix(packages)
    say(f"Installing from this machine's packages: {', '.join(packages)}")
    with _nothing_starts(prefix):
        _run([*prefix, *APT, "update", "-q"])
        _run([*prefix, *APT, "install", "-y", "-q", "--no-install-recommends", *packages])


def _prefix(packages: Sequence[str]) -> list[str]:
    if os.geteuid() == 0:
        return ["env", "DEBIAN_FRONTEND=noninteractive"]
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode == 0:
        return [sudo, "-n", "env", "DEBIAN_FRONTEND=noninteractive"]
    raise Refused(
        f"{' and '.join(packages)} must be installed, and that needs root. Run this, then try again:\n"
        f"  sudo sh -c '{command(packages)}'"
    )


def _run(argv: list[str]) -> None:
    for attempt in range(1, TRIES + 1):
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        say(f"  {argv[-1]}: attempt {attempt} of {TRIES} failed")
    lines = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
    raise Refused(f"`{' '.join(argv)}` failed:\n{lines}")


@contextmanager
def _nothing_starts(prefix: list[str]) -> Iterator[None]:
    """Keep package scripts from starting services and from making a database cluster; put all back afterwards."""
    with TemporaryDirectory() as kept:
        before = Path(kept) / "policy"
        had_policy = POLICY.exists()
        if had_policy:
            shutil.copy2(POLICY, before)
        draft, conf = Path(kept) / "deny", Path(kept) / "conf"
        draft.write_text("#!/bin/sh\nexit 101\n")
        draft.chmod(0o755)
        conf.write_text("create_main_cluster = false\n")
        had_folder = NO_CLUSTER.parent.exists()
        try:
            _run([*prefix, "install", "-m", "755", str(draft), str(POLICY)])
            _run([*prefix, "install", "-D", "-m", "644", str(conf), str(NO_CLUSTER)])
            yield
        finally:
            if had_policy:
                _run([*prefix, "cp", "-p", str(before), str(POLICY)])
            else:
                _run([*prefix, "rm", "-f", str(POLICY)])
            _run([*prefix, "rm", "-f", str(NO_CLUSTER)])
            if not had_folder:
                subprocess.run(
                    [*prefix, "rmdir", "--ignore-fail-on-non-empty", str(NO_CLUSTER.parent)],
                    capture_output=True,
                    check=False,
                )

"""The peer that PEER_DIR names: the seed as its author meant it (Django, Celery, Redis), run by its own scripts.

Its folder may be read-only. Its virtual environment is made once and kept in the clone's `.local/peer`; data and logs
go to a folder that PostgreSQL's own user can reach, removed afterwards. Redis and wrk come from Debian's packages.
"""

import asyncio
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cli.backing import debian_packages
from cli.layout import layout
from cli.processes.ports import FALLBACK, free
from cli.terminal import say
from shared.errors import Refused

PACKAGES = {"redis-server": "redis-server", "wrk": "wrk", "psql": "postgresql"}
"""Program → its package."""
PORTS = (25, 32, 43, 79, 80)
"""The peer's offsets to BASE_PORT."""
INSTALL_SECONDS = 900.0
LAST_LINES = 20


@dataclass(frozen=True, slots=True)
class Peer:
    """The peer, ready to run."""

    folder: Path
    environment: dict[str, str]

    async def run(self, script: str, *arguments: str, seconds: float = 900.0, **extra: str) -> str:
        """Run one of its scripts; returns its output, raises Refused with its last lines when it fails."""
        return await _run((str(self.folder / script), *arguments), self.environment | extra, seconds)


@asynccontextmanager
async def peer_of(folder: Path) -> AsyncIterator[Peer]:
    """Install the peer's packages; its processes are stopped and its data is removed afterwards."""
    if absent := [package for program, package in PACKAGES.items() if not shutil.which(program)]:
        say(f"Installing {' and '.join(absent)} for the peer")
        step = await debian_packages.spec(absent)
        await _run(step.argv, dict(step.env), INSTALL_SECONDS)
    base = next(base for base in FALLBACK[::100] if all(free(base + port) for port in PORTS))
    run = Path(tempfile.mkdtemp(prefix="schoolconnect-peer-"))
    environment = os.environ | {
        "VENV": str(await _venv(folder)),
        "RUN_DIR": str(run),
        "BASE_PORT": str(base),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    found = Peer(folder, environment)
    try:
        yield found
    finally:
        await found.run("down.sh", "--wipe")


async def _venv(folder: Path) -> Path:
    """Return its virtual environment, rebuilt when its requirements change, so that all runs compare with the same."""
    wanted = (folder / "requirements.txt").read_bytes()
    venv = layout().folder / "peer" / hashlib.sha256(wanted).hexdigest()[:12]
    if not (venv / "bin" / "celery").exists():
        say("Installing the peer")
        await _run((sys.executable, "-m", "venv", "--clear", str(venv)), dict(os.environ), INSTALL_SECONDS)
        pip = (str(venv / "bin" / "pip"), "install", "-q", "--retries", "10", "-r", str(folder / "requirements.txt"))
        await _run(pip, dict(os.environ), INSTALL_SECONDS)
    return venv


async def _run(command: Sequence[str], environment: dict[str, str], seconds: float) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(seconds):
            output = (await process.communicate())[0].decode(errors="replace")
    except BaseException:
        # Its scripts stop their processes at a SIGTERM.
        process.terminate()
        await process.wait()
        raise
    if process.returncode != 0:
        raise Refused(f"{' '.join(command)} failed:\n" + "\n".join(output.splitlines()[-LAST_LINES:]))
    return output

"""Run RabbitMQ and PostgreSQL in containers: these two services of the clone's `compose.yaml`."""

import hashlib
import os
from pathlib import Path

from cli.layout import ROOT
from cli.processes.commands import succeeds
from cli.processes.specs import Probe, Spec
from shared.errors import Refused

FILES = (ROOT / "compose.yaml", Path(__file__).with_name("servers.yaml"))
LIMIT = 10.0
REMOVAL = 60.0
PULL = 900.0


async def answers() -> bool:
    """Whether `docker compose` is installed and its engine answers."""
    return await succeeds(("docker", "compose", "version"), LIMIT) and await succeeds(("docker", "info"), LIMIT)


def project(folder: Path) -> str:
    """Return the compose project of the stack in `folder`; containers and volumes are named after it."""
    return f"schoolconnect-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"


def command(folder: Path, *words: str) -> tuple[str, ...]:
    files = (word for file in FILES for word in ("--file", str(file)))
    return ("docker", "compose", *files, "--project-name", project(folder), *words)


async def remove(folder: Path) -> None:
    """Remove containers and volumes of the stack in `folder`; raises Refused when that fails."""
    down = command(folder, "down", "--volumes", "--timeout", "10")
    if not await succeeds(down, REMOVAL):
        raise Refused(f"the containers could not be removed; try `{' '.join(down)}`")


def spec(name: str, folder: Path, ready: Probe, variables: dict[str, str]) -> Spec:
    """Define one attached container: it stops with its command, or by `cleanup` if the command was killed."""
    return Spec(
        name=name,
        argv=command(folder, "up", "--no-deps", "--no-log-prefix", name),
        env=dict(os.environ) | variables,
        ready=ready,
        grace=8.0,
        limit=PULL,
        cleanup=command(folder, "stop", "--timeout", "7", name),
    )

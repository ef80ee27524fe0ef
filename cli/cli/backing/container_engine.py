"""A container engine as provider of RabbitMQ and PostgreSQL: these two services of the clone's `compose.yaml`."""

import hashlib
import os
from pathlib import Path

from cli.layout import ROOT
from cli.processes.commands import succeeds
from cli.processes.specs import Probe, Spec
from shared.errors import Refused

FILE = ROOT / "compose.yaml"
ASKED = 10.0
REMOVAL = 60.0
PULL = 900.0


async def answers() -> bool:
    """Whether `docker compose` is there and its engine takes commands."""
    return await succeeds(("docker", "compose", "version"), ASKED) and await succeeds(("docker", "info"), ASKED)


def project(folder: Path) -> str:
    """The compose project of the stack in `folder`; containers and volumes are named after it."""
    return f"schoolconnect-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"


def command(folder: Path, *words: str) -> tuple[str, ...]:
    return ("docker", "compose", "--file", str(FILE), "--project-name", project(folder), *words)


async def remove(folder: Path) -> None:
    """Containers and volumes of the stack in `folder`; raises Refused when the engine does not do it."""
    if not await succeeds(command(folder, "down", "--volumes", "--timeout", "10"), REMOVAL):
        raise Refused(f"the containers could not be removed; try `{' '.join(command(folder, 'down', '--volumes'))}`")


def spec(name: str, folder: Path, ready: Probe, variables: dict[str, str]) -> Spec:
    """One container, attached: it stops when its command is told to, and by `cleanup` if that was killed."""
    return Spec(
        name=name,
        argv=command(folder, "up", "--no-deps", "--no-log-prefix", name),
        env=dict(os.environ) | variables,
        ready=ready,
        grace=8.0,
        limit=PULL,
        cleanup=command(folder, "stop", "--timeout", "7", name),
    )

"""Install Debian's packages on a machine that has neither the servers nor a container engine."""

import os
import shlex
import shutil
from pathlib import Path

from cli.processes.commands import succeeds
from cli.processes.specs import Spec
from shared.errors import Refused

SCRIPT = Path(__file__).with_name("install.sh")
QUERY_LIMIT = 10.0
INSTALL_LIMIT = 1800.0


def command(packages: list[str]) -> str:
    """Return the command for a person with the rights."""
    return f"sudo sh {shlex.quote(str(SCRIPT))} {shlex.join(packages)}"


async def spec(packages: list[str]) -> Spec:
    """Return the step that installs `packages`; raises Refused, with the command to run, when it is not possible."""
    wanted = " and ".join(packages)
    if not shutil.which("apt-get"):
        raise Refused(
            f"{wanted} are missing, and this machine has no apt-get to install them. Install RabbitMQ >= 3.10 and "
            "PostgreSQL >= 15, or a container engine with `docker compose`, or set AMQP_URL and DATABASE_URL"
        )
    if os.geteuid() == 0:
        prefix: tuple[str, ...] = ()
    elif await succeeds(("sudo", "-n", "true"), QUERY_LIMIT):
        prefix = ("sudo", "-n")
    else:
        raise Refused(
            f"The packages {wanted} are missing, and only root can install them. Run\n\n  {command(packages)}\n"
        )
    return Spec(
        name="packages",
        argv=(*prefix, "/bin/sh", str(SCRIPT), *packages),
        env=dict(os.environ),
        grace=25.0,
        limit=INSTALL_LIMIT,
    )

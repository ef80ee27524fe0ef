"""`python -m cli.operations.topology`: declare the exchanges and queues of every service on the broker at AMQP_URL.

It runs before any relay starts: an event without its queue would be lost.
"""

import asyncio
import sys

from pydantic import SecretStr, ValidationError

from cli.operations.service_builders import BUILDS
from cli.terminal import complain
from shared.errors import Refused
from shared.messaging import topology_admin
from shared.messaging.connection import CONNECTION_PROBLEMS, connected
from shared.messaging.topology import Topology
from shared.service.refusal import wrong_settings
from shared.settings import FromSecrets


class TopologySettings(FromSecrets):
    """The broker of the topology step."""

    amqp_url: SecretStr


def main() -> int:
    """Declare everything and return the exit code."""
    try:
        url = TopologySettings().amqp_url.get_secret_value()
    except ValidationError:
        complain("AMQP_URL is not set")
        return 1
    wanted = Topology()
    try:
        for build in BUILDS.values():
            wanted |= build().topology()
        asyncio.run(_declare(url, wanted))
    except ValidationError as problem:
        complain(str(wrong_settings(problem)))
    except Refused as problem:
        complain(str(problem))
    except CONNECTION_PROBLEMS as problem:
        complain(f"the broker at AMQP_URL does not answer: {problem}")
    else:
        return 0
    return 1


async def _declare(url: str, wanted: Topology) -> None:
    async with connected(url, "topology") as connection:
        await topology_admin.declare(connection, wanted)


if __name__ == "__main__":
    sys.exit(main())

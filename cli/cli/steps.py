"""The one-shot steps before services start: migrations and the broker's topology."""

import asyncio
import os
from urllib.parse import quote, urlsplit, urlunsplit

import aio_pika

from cli.services import BUILDS, NAMES
from shared import topology
from shared.bus import Topology
from shared.errors import Refused
from shared.migrate import migrate as upgrade


def service_url(admin_url: str, service: str, password: str) -> str:
    """A service's own login on the same server and database."""
    parts = urlsplit(admin_url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{service}:{quote(password)}@{host}"))


def migrate() -> int:
    """Bring every schema up to date; MIGRATION_DATABASE_URL may create roles, <SERVICE>_DATABASE_URL are the logins."""
    admin = _needed("MIGRATION_DATABASE_URL")
    return upgrade(admin, {name: _needed(f"{name.upper()}_DATABASE_URL") for name in NAMES})


def declare() -> None:
    """Declare what every service needs on the broker, before any relay starts."""
    wanted = Topology()
    for build in BUILDS.values():
        wanted |= build().topology()
    asyncio.run(_declare(_needed("AMQP_URL"), wanted))


async def _declare(url: str, wanted: Topology) -> None:
    async with await aio_pika.connect(url, timeout=10) as connection:
        await topology.declare(connection, wanted)


def _needed(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise Refused(f"{name} is not set")
    return value

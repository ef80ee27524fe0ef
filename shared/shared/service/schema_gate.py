"""Holds a service back until its tables are those of its release."""

import asyncio

import psycopg
import structlog

from shared.persistence.database import Database
from shared.persistence.schema_revision import is_migrated, known_revisions
from shared.telemetry import installed_version

log = structlog.get_logger()

LOOK_SECONDS = 1.0


class SchemaGate:
    """Opens once the migration step has run. Nothing else is needed: a later one keeps this release's tables."""

    def __init__(self, database: Database, service: str) -> None:
        self._database = database
        self._service = service
        self._opened = asyncio.Event()
        self.reason: str | None = "database: its tables have not been checked yet"
        """Why the service waits; None once it may begin."""

    async def passed(self) -> None:
        """Return once the gate is open."""
        await self._opened.wait()

    async def run(self) -> None:
        """Look until the tables are there; raises Refused if this release does not run on them."""
        known = await asyncio.to_thread(known_revisions, self._service)
        release = installed_version(self._service)
        while True:
            try:
                async with self._database.worker() as connection:
                    migrated = await is_migrated(connection, self._service, release, known)
            except psycopg.Error as problem:
                log.warning("database.unavailable", error=type(problem).__name__)
            else:
                if migrated:
                    break
                self.reason = "database: its tables are older than this release; run the migration step"
                log.warning("database.older", what_to_do="run the migration step", release=release)
            await asyncio.sleep(LOOK_SECONDS)
        self.reason = None
        self._opened.set()

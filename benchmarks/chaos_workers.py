"""The parts of the spine's chaos: workers behind proxies, a writer that knows its confirmed commits, and counts."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, LiteralString

import psycopg

from benchmarks import worker_process
from benchmarks.harness import Lab
from benchmarks.spine_service import Ground, request
from benchmarks.worker_pool import Workers
from cli.processes.launcher import StartFailed
from shared.testing.fault_proxy import FaultInjectionProxy, proxied
from shared.testing.fixtures import Backing, declare
from shared.transactions.unit_of_work import UnitOfWorkFactory

WORKERS = 3
TIERS = (1, 2)
BATCH = 10
POISON_EVERY = 50
LOOK = 0.05
AWAY = -1
"""The count while the database is unavailable."""

HANDLED = "SELECT count(*) FROM notifier.handled"
OUTBOX = "SELECT count(*) FROM notifier.outbox"
BURIED = "SELECT count(*) FROM notifier.buried"
ERRANDS = "SELECT count(*) FROM notifier.errand"
# Ask whether all that was handled is projected, and the outbox is empty.
STATE = """
SELECT (SELECT count(DISTINCT task_id) FROM notifier.handled), (SELECT count(DISTINCT task_id) FROM notifier.projected),
       (SELECT count(DISTINCT task_id) FROM notifier.buried), (SELECT count(*) FROM notifier.outbox)
"""


@dataclass
class Writer:
    """Commits requests; `committed` are those with a confirmed commit, `poison` those that no handler can handle."""

    transactions: UnitOfWorkFactory
    committed: set[str] = field(default_factory=set)
    poison: set[str] = field(default_factory=set)
    unanswered: int = 0

    async def write(self, count: int, per_second: float, over: asyncio.Event | None = None) -> int:
        """Commit so many at this pace, through all faults of the database, and go on until `over`; returns how many."""
        began, start = time.monotonic(), 0
        while start < count or (over is not None and not over.is_set()):
            await asyncio.sleep(max(began + start / per_second - time.monotonic(), 0))
            await self.batch(range(start, start + BATCH))
            start += BATCH
        return start

    async def batch(self, numbers: Sequence[int], poison_every: int = POISON_EVERY) -> None:
        """Commit once. A refused or cut commit is not confirmed; it may have happened."""
        wanted = {number: request() for number in numbers}
        bad = {number for number in numbers if poison_every > 0 and number % poison_every == 1}
        try:
            async with self.transactions.begin() as tx:
                for number, event in wanted.items():
                    poison = {"counts": worker_process.POISON[number // poison_every % 2]} if number in bad else {}
                    tx.emit(event.model_copy(update=poison))
        except (psycopg.Error, OSError):
            self.unanswered += 1
            await asyncio.sleep(0.1)
        else:
            self.committed |= {str(event.task_id) for number, event in wanted.items() if number not in bad}
            self.poison |= {str(event.task_id) for number, event in wanted.items() if number in bad}


class Field:
    """The workers, the writer and the faults."""

    def __init__(
        self, lab: Lab, backing: Backing, broker: FaultInjectionProxy, database: FaultInjectionProxy, workers: Workers
    ) -> None:
        self.lab = lab
        self.ground = Ground(backing)
        self.broker = broker
        self.database = database
        self.workers = workers
        self.service = worker_process.register(self.ground.service(retry_tiers=TIERS))
        """Build a service that never runs here: it writes, and its topology is declared."""
        self.writer = Writer(self.service.transactions)

    async def rows(self, query: LiteralString, *values: Any) -> list[Any]:
        """Return the rows that the database's owner sees."""
        async with await psycopg.AsyncConnection.connect(self.ground.backing.admin_url) as connection:
            return await (await connection.execute(query, values)).fetchall()

    async def change(self, statement: LiteralString, *values: Any) -> None:
        """Run a statement as the database's owner."""
        async with await psycopg.AsyncConnection.connect(self.ground.backing.admin_url) as connection:
            await connection.execute(statement, values)

    async def count(self, query: LiteralString, *values: Any) -> int:
        """Return a count; AWAY while the database is unavailable."""
        try:
            return int((await self.rows(query, *values))[0][0])
        except psycopg.Error:
            return AWAY

    async def reaches(self, query: LiteralString, least: int, within: float) -> float:
        """Return the seconds until a count is at least so much; raises TimeoutError."""
        began = time.monotonic()
        async with asyncio.timeout(within):
            while await self.count(query) < least:
                await asyncio.sleep(LOOK)
        return time.monotonic() - began

    async def settled(self, query: LiteralString, wanted: int, within: float) -> int:
        """Return a count a moment after it is `wanted`, because it may rise further, or when the time is over."""
        with contextlib.suppress(TimeoutError):
            await self.reaches(query, wanted, within)
        await asyncio.sleep(1)
        return await self.count(query)

    async def progress(self, within: float) -> float:
        """Return the seconds until one more has been handled."""
        return await self.reaches(HANDLED, max(await self.count(HANDLED), 0) + 1, within)

    async def drained(self, what: str, within: float = 240) -> None:
        """Wait until all committed requests are handled and projected, poison is dead, and the outbox is empty."""
        began, seen = time.monotonic(), (AWAY,) * 4
        try:
            async with asyncio.timeout(within):
                while True:
                    handled, projected, buried, left = seen = (await self.rows(STATE))[0]
                    enough = handled >= len(self.writer.committed) and buried >= len(self.writer.poison)
                    if enough and handled == projected and left == 0:
                        break
                    await asyncio.sleep(0.25)
        except TimeoutError:
            committed, poison = len(self.writer.committed), len(self.writer.poison)
            self.lab.say(f"{what}: not drained in {within:.0f} s: handled, projected, buried, outbox are {seen}; "
                         f"{committed} and {poison} poison were committed")  # fmt: skip
        else:
            self.lab.say(f"{what}: drained in {time.monotonic() - began:.1f} s")

    async def database_again(self) -> None:
        """Start the killed server; it refuses while an old backend still runs."""
        for _ in range(20):
            try:
                return await self.lab.fleet.again("postgres")
            except StartFailed:
                await asyncio.sleep(0.5)
        return await self.lab.fleet.again("postgres")


@asynccontextmanager
async def field_of(lab: Lab, backing: Backing) -> AsyncIterator[Field]:
    """Start everything: workers reach broker and database through proxies, the writer reaches the database directly."""
    async with proxied(backing.amqp_url) as (amqp, broker), proxied(backing.admin_url) as (admin, database):
        environment = Backing(admin, amqp, backing.keys).environment("notifier")
        environment |= {"RETRY_TIERS": json.dumps(TIERS), "HEARTBEAT": "1", "PUBLISH_TIMEOUT": "3"}
        workers = Workers(WORKERS, environment, lab.layout.log / "workers.log")
        found = Field(lab, backing, broker, database, workers)
        await found.ground.admin(worker_process.TABLES)
        await declare(backing.amqp_url, found.service.topology())
        await found.service.database.open()
        try:
            workers.again()
            yield found
        finally:
            workers.kill_all()
            await found.service.database.close()

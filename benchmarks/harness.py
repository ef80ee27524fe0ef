"""The environment of scenarios.

A scenario is a module `benchmarks/bench/<name>.py` or `benchmarks/chaos/<name>.py` with

    async def run(lab: Lab, report: Report) -> None

It gets a fresh environment (`lab.backing(...)`, `lab.system(...)`), works, and adds rows to the report: `figure` (no
bound), `at_least`, `at_most`, `exactly`, `times_peer`. Ratios are of two things measured side by side in one run. A
promise of chaos names itself in its row: `promise 03: confirmed, missing from the log`. Sizes come from
`lab.size(full, smoke)` and dice from `lab.dice`, so that tests/scenarios can run the same code in seconds.

`make bench ONLY=<name>` runs one; `.local/<verb>/<name>.json` has the rows of the table.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from benchmarks.report import Report
from cli.backing import rabbitmq, select
from cli.layout import Layout
from cli.operations.service_names import NAMES
from cli.processes.fleet import Fleet
from cli.processes.ports import pick
from cli.processes.process_table import ProcessTable
from cli.terminal import say
from cli.testing.system import System
from shared.errors import Refused
from shared.testing.fixtures import Backing, fresh_database, fresh_vhost, write_keys

__all__ = ["Lab", "Report"]

NODES = frozenset({"rabbitmq", "postgres"})


class Lab:
    """One RabbitMQ and one PostgreSQL for the scenarios, and the processes that they start.

    `fleet` starts and kills processes by name; `rabbitmq` and `postgres` are among them:

        lab.fleet.kill("rabbitmq")              # kill -9, returns when it is gone
        await lab.fleet.stop("postgres")        # in order
        await lab.fleet.again("rabbitmq")       # returns when it answers

    `dice` is seeded. `peer` is the folder PEER_DIR names, or None. `say` prints a line of progress.
    """

    def __init__(self, layout: Layout, *, seed: int = 1, full: bool = True) -> None:
        self.layout = layout
        self.seed = seed
        self.dice = random.Random(seed)  # noqa: S311  # for repeatable faults, not for secrets
        self.full = full
        self.peer = Path(os.environ["PEER_DIR"]) if os.environ.get("PEER_DIR") else None
        self.say = say
        self.fleet = Fleet(layout.log, ProcessTable(layout.processes))
        self.amqp_url = self.management_url = self.database_url = ""
        self._ports: dict[str, int] = {}

    def size(self, full: int, smoke: int) -> int:
        """Return a size: `full` for the stated bounds, `smoke` in the tests."""
        return full if self.full else smoke

    def seconds(self, full: int, smoke: int) -> int:
        """Return a duration of faults, as `size`; CHAOS_SECONDS shortens a full run."""
        return int(os.environ.get("CHAOS_SECONDS", full)) if self.full else smoke

    @property
    def broker_metrics(self) -> str:
        """Host and port of the metrics of RabbitMQ."""
        return f"127.0.0.1:{self._ports['rabbitmq_metrics']}"

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Lab"]:
        """Start both nodes; everything is ended afterwards."""
        if absent := select.missing({}):
            raise Refused(f"{' and '.join(absent)} must be installed here: a container's node is not ours to kill -9")
        self._ports = pick(select.PORTS)
        nodes = select.choose(self.layout, self._ports, {})
        self.amqp_url, self.management_url, self.database_url = (
            nodes.amqp_url,
            nodes.management_url,
            nodes.database_url,
        )
        self.layout.log.mkdir(parents=True, exist_ok=True)
        try:
            await self.fleet.start(*(replace(spec, grace=30.0) for spec in nodes.specs))
            yield self
        finally:
            for name in self.fleet.running:
                self.fleet.kill(name)

    async def control(self, *words: str) -> None:
        """Run `rabbitmqctl` on the scenarios' node."""
        await asyncio.to_thread(rabbitmq.control, self.layout.inside / "rabbitmq", self._ports["epmd"], *words)

    async def mend(self) -> None:
        """Start the nodes again that a scenario left dead."""
        await self.fleet.again(*sorted(NODES - self.fleet.running))

    @contextmanager
    def backing(self, services: Iterable[str]) -> Iterator[Backing]:
        """Make a fresh, migrated database and a fresh virtual host for these services, dropped afterwards.

        The virtual host is empty: `shared.testing.declare(backing.amqp_url, service.topology())` fills it.
        """
        keys = self.layout.folder / "keys" / uuid4().hex[:8]
        write_keys(keys)
        with (
            fresh_database(tuple(services), self.database_url) as database,
            fresh_vhost(self.amqp_url, self.management_url) as amqp,
        ):
            yield Backing(database, amqp, keys)

    @asynccontextmanager
    async def system(self, services: Iterable[str], **extra: str) -> AsyncIterator[System]:
        """Start the whole system as processes on a fresh backing: fakes, topology and `services` are ready.

        `extra` goes into every service's environment. `system.kill(name)` and `system.start(name)` as you like.
        """
        folder = self.layout.folder / "systems" / uuid4().hex[:8]
        with self.backing(NAMES) as backing:
            table = ProcessTable(self.layout.processes)
            system = System(backing, folder, extra=extra, table=table, forks=not self.full)
            try:
                await system.start_fakes()
                await system.declare()
                await system.start(*services)
                yield system
            finally:
                await system.fleet.stop()

"""A rolling restart of every service under load: two processes of each, stopped and started one after the other.

Clients try nothing twice. No request fails, and each accepted notification ends with each of its deliveries.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, LiteralString
from uuid import UUID, uuid4

import httpx

from benchmarks import notifier_load
from benchmarks.harness import Lab, Report
from benchmarks.replicas import Replicas
from cli.demo.client import Message
from cli.operations import tokens
from cli.operations.service_names import NAMES
from cli.testing.system import System
from shared.testing.fixtures import eventually

SMALL = ("gateway", "notifier")
READS = {"notifier": "/v1/notifications", "files": "/v1/files", "reports": "/v1/reports", "scheduler": "/v1/schedules"}
"""A question that the gateway passes on to each service."""
SETTLE_SECONDS = 120.0

COUNT_UNFINISHED: LiteralString = """
SELECT (SELECT count(*) FROM unnest(%s::uuid[]) AS sent
        WHERE NOT EXISTS (SELECT FROM notifier.notification n WHERE n.notification_id = sent)) AS missing,
    (SELECT count(*) FROM notifier.delivery WHERE state NOT IN ('accepted', 'read')) AS open,
    (SELECT count(*) FROM notifier.delivery) AS deliveries,
    (SELECT count(*) FROM gateway.task WHERE kind = 'notification' AND state <> 'succeeded') AS tasks,
    (SELECT count(*) FROM gateway.outbox) + (SELECT count(*) FROM notifier.outbox) AS outbox
"""


@dataclass
class Load:
    """What clients asked, and what became of it."""

    url: str
    token: str
    school: UUID
    reads: list[str]
    pause: float
    accepted: list[str] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    async def client(self) -> None:
        """Ask until cancelled: write one, read one."""
        bearer = {"Authorization": f"Bearer {self.token}"}
        async with httpx.AsyncClient(base_url=self.url, headers=bearer, timeout=30, trust_env=False) as client:
            turn = 0
            while True:
                answer = await self._ask(client, "POST", "/v1/notifications", **self._message())
                if answer is not None:
                    self.accepted.append(answer.json()["notification_id"])
                await self._ask(client, "GET", self.reads[turn % len(self.reads)])
                turn += 1
                await asyncio.sleep(self.pause)

    def _message(self) -> dict[str, Any]:
        content = Message(
            str(self.school), "general", "Made-up news", "For all.", {"school": True}, ("push",)
        ).content()
        return {"json": content, "headers": {"Idempotency-Key": uuid4().hex}}

    async def _ask(self, client: httpx.AsyncClient, method: str, path: str, **content: Any) -> httpx.Response | None:
        began = time.perf_counter()
        try:
            answer = await client.request(method, path, **content)
        except httpx.TransportError as problem:
            self.failures[f"{method} {path}: {type(problem).__name__}"] += 1
            return None
        self.seconds.append(time.perf_counter() - began)
        if answer.is_success:
            return answer
        self.failures[f"{method} {path}: {answer.status_code}"] += 1
        return None


@asynccontextmanager
async def _under(load: Load, clients: int) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(load.client()) for _ in range(clients)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks)


async def run(lab: Lab, report: Report) -> None:
    """Restart each process in turn while clients write and read."""
    services = NAMES if lab.full else SMALL
    settings = {"LOG_LEVEL": "WARNING", "RATE_CALLER": "0", "RATE_SCHOOL": "0", "DRAIN": "5", "LAST_ANSWERS": "4"}
    async with lab.system((), **settings) as system:
        school = notifier_load.add_school(system, lab.size(10, 2))
        token = tokens.make(system.backing.keys / "signing.pem", "platform_admin")
        reads = [f"{READS[name]}?school={school}" for name in services if name in READS]
        load = Load(system.url, token, school, reads, pause=0.02 if lab.full else 0.4)
        with Replicas(system, services) as replicas:
            await replicas.start()
            async with _under(load, lab.size(8, 1)):
                for service in services:
                    for replica in replicas.names[service][: lab.size(2, 1)]:
                        before = len(load.seconds)
                        await replicas.restart(service, replica)
                        lab.say(f"{replica}: {len(load.seconds) - before} requests answered meanwhile")
            await _judge(report, system, load)
            await system.fleet.stop()


async def _judge(report: Report, system: System, load: Load) -> None:
    async def left() -> dict[str, Any]:
        return (await asyncio.to_thread(system.rows, COUNT_UNFINISHED, load.accepted))[0]

    def settled(row: dict[str, Any]) -> bool:
        return not (row["missing"] or row["open"] or row["tasks"] or row["outbox"])

    found = await eventually(left, settled, within=SETTLE_SECONDS)
    asked = len(load.seconds) + sum(load.failures.values())
    report.figure("requests", asked, "")
    report.figure("notifications accepted", len(load.accepted), "")
    report.figure("deliveries", found["deliveries"], "")
    report.figure("slowest answer", max(load.seconds, default=0.0), "s")
    for what, count in sorted(load.failures.items()):
        report.figure(f"failed: {what}", count, "")
    report.exactly("promise 01: requests that failed", sum(load.failures.values()), "", 0)
    report.exactly("promise 01: accepted, unknown to the notifier", found["missing"], "", 0)
    report.exactly("promise 01: deliveries without an end", found["open"], "", 0)
    report.at_least("promise 01: requests while processes were replaced", asked, "", 1)

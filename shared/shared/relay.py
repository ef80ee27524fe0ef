"""Carries outbox rows to the broker, at least once, in about the order in which they were committed."""

import asyncio
import json
from uuid import UUID, uuid4

import structlog
from psycopg.rows import DictRow

from shared.db import Database, infrastructure
from shared.errors import InfrastructureDown, Undeliverable
from shared.outbox import DONE, FAILED, LEASE
from shared.personal import Vault, personal_fields, seal
from shared.publisher import Publisher
from shared.telemetry import Metrics

log = structlog.get_logger()


class Relay:
    """Leases a batch, publishes it in parallel, deletes what was confirmed. Runs in every process of a service."""

    def __init__(
        self,
        database: Database,
        publisher: Publisher,
        vault: Vault,
        wake: asyncio.Event,
        metrics: Metrics,
        *,
        batch: int = 200,
        lease_seconds: float = 10.0,
        sweep_seconds: float = 1.0,
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._vault = vault
        self._wake = wake
        self._metrics = metrics
        self._batch = batch
        self._lease_seconds = lease_seconds
        self._sweep_seconds = sweep_seconds

    async def run(self) -> None:
        """Carry rows until cancelled; woken after each commit that left some, and by a sweep."""
        while True:
            try:
                await self._publisher.ready.wait()
                self._wake.clear()
                while await self.round() == self._batch:
                    pass
                async with asyncio.timeout(self._sweep_seconds):
                    await self._wake.wait()
            except TimeoutError:
                continue
            except Exception as problem:
                if not infrastructure(problem):
                    raise
                log.warning("relay.database_away", error=type(problem).__name__)
                await asyncio.sleep(self._sweep_seconds)

    async def round(self) -> int:
        """Carry one batch; returns how many rows were leased."""
        lease = uuid4()
        async with self._database.worker() as connection:
            values = {"lease": lease, "limit": self._batch, "lease_seconds": self._lease_seconds}
            rows = await (await connection.execute(LEASE, values)).fetchall()
        if not rows:
            return 0
        bodies = await self._encode(rows)
        sent = await asyncio.gather(*(self._send(row, body) for row, body in zip(rows, bodies, strict=True)))
        done = [row["position"] for row, ok in zip(rows, sent, strict=True) if ok]
        failed = [row["position"] for row, ok in zip(rows, sent, strict=True) if not ok]
        async with self._database.worker() as connection:
            if done:
                await connection.execute(DONE, {"positions": done})
            if failed:
                await connection.execute(FAILED, {"positions": failed, "lease": lease})
        self._metrics.published.inc(len(done))
        return len(rows)

    async def _encode(self, rows: list[DictRow]) -> list[bytes | None]:
        """Bodies as they travel: personal fields sealed, the rest as committed. None where the subject has no key:

        such a fact must not travel in plain, and must not keep others from travelling. Only the gateway makes subjects.
        """
        subjects: set[UUID] = {row["sealed_for"] for row in rows if row["sealed_for"]}
        keys = await self._vault.keys(subjects) if subjects else {}
        bodies: list[bytes | None] = []
        for row in rows:
            subject = row["sealed_for"]
            if subject is None:
                bodies.append(row["data"].encode())
                continue
            if subject not in keys:
                bodies.append(None)
                continue
            headers = json.loads(row["headers"])
            fields = personal_fields(headers["ce-type"], int(headers["ce-dataschema"].rpartition(":")[2]))
            bodies.append(json.dumps(seal(json.loads(row["data"]), fields, subject, keys[subject])).encode())
        return bodies

    async def _send(self, row: DictRow, body: bytes | None) -> bool:
        if body is None:
            self._metrics.publish_failed.labels("keyless").inc()
            log.error("outbox.keyless", key=row["routing_key"], subject=str(row["sealed_for"]))
            return False
        try:
            await self._publisher.publish(row["exchange"], row["routing_key"], body, json.loads(row["headers"]))
        except (Undeliverable, InfrastructureDown) as problem:
            reason = str(problem) if isinstance(problem, Undeliverable) else "away"
            self._metrics.publish_failed.labels(reason).inc()
            log.warning("outbox.not_published", key=row["routing_key"], reason=reason, failures=row["failures"] + 1)
            return False
        return True

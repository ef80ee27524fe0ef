"""Carries outbox rows to the broker, at least once, in about the order in which they were committed."""

import asyncio
from contextlib import suppress
from uuid import UUID, uuid4

import orjson
import structlog
from psycopg.rows import DictRow

from shared.errors import InfrastructureDown, Undeliverable
from shared.messaging.publisher import Outbound, Publisher
from shared.persistence.database import Database
from shared.persistence.database_errors import infrastructure
from shared.persistence.encryption import Vault, personal_fields, seal
from shared.telemetry import Metrics
from shared.transactions.outbox import DONE, FAILED, LEASE

log = structlog.get_logger()

LINGER = ((12, 0.02), (3, 0.004))
"""After a batch of so many rows, so many seconds for more: much at once is cheaper. A lone row goes at once."""


class Relay:
    """Leases a batch, publishes it in parallel, deletes what was confirmed. Runs in every process of a service.

    Run it several times: one looks for rows while the others wait for their confirms.
    """

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
        self._turn = asyncio.Lock()
        self._last = batch

    async def run(self) -> None:
        """Carry rows until cancelled; woken after each commit that left some, and by a sweep."""
        while True:
            try:
                async with self._turn:
                    lease, rows = await self._next()
                await self._carry(lease, rows)
            except Exception as problem:
                if not infrastructure(problem):
                    raise
                log.warning("relay.database_away", error=type(problem).__name__)
                await asyncio.sleep(self._sweep_seconds)

    async def _next(self) -> tuple[UUID, list[DictRow]]:
        """The next batch; empty when a sweep finds nothing."""
        if self._last < self._batch:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._sweep_seconds):
                    await self._wake.wait()
            await asyncio.sleep(next((seconds for least, seconds in LINGER if self._last >= least), 0))
        await self._publisher.ready.wait()
        self._wake.clear()
        lease = uuid4()
        async with self._database.worker() as connection:
            values = {"lease": lease, "limit": self._batch, "lease_seconds": self._lease_seconds}
            rows = await (await connection.execute(LEASE, values)).fetchall()
        self._last = len(rows)
        return lease, rows

    async def _carry(self, lease: UUID, rows: list[DictRow]) -> None:
        if not rows:
            return
        messages = await self._encode(rows)
        sealed = [(row, message) for row, message in zip(rows, messages, strict=True) if message is not None]
        kept = {row["position"] for row, message in zip(rows, messages, strict=True) if message is None}
        reasons = await self._publish([message for _, message in sealed])
        for (row, _), reason in zip(sealed, reasons, strict=True):
            if reason is not None:
                kept.add(row["position"])
                self._metrics.publish_failed.labels(reason).inc()
                log.warning("outbox.not_published", key=row["routing_key"], reason=reason, failures=row["failures"] + 1)
        done = [row["position"] for row in rows if row["position"] not in kept]
        async with self._database.worker() as connection:
            if done:
                await connection.execute(DONE, {"positions": done})
            if kept:
                await connection.execute(FAILED, {"positions": list(kept), "lease": lease})
        self._metrics.published.inc(len(done))

    async def _publish(self, messages: list[Outbound]) -> list[str | None]:
        """Why each has not arrived, in one word; None for those that are safe."""
        if not messages:
            return []
        try:
            failures = await self._publisher.publish_all(messages)
        except InfrastructureDown:
            return ["away"] * len(messages)
        return [None if f is None else str(f) if isinstance(f, Undeliverable) else "away" for f in failures]

    async def _encode(self, rows: list[DictRow]) -> list[Outbound | None]:
        """Messages as they travel: personal fields sealed, the rest as committed. None where the subject has no key:

        such a fact must not travel in plain, and must not keep others from travelling. Only the gateway makes subjects.
        """
        subjects: set[UUID] = {row["sealed_for"] for row in rows if row["sealed_for"]}
        keys = await self._vault.keys(subjects) if subjects else {}
        messages: list[Outbound | None] = []
        for row in rows:
            subject, headers, body = row["sealed_for"], orjson.loads(row["headers"]), row["data"].encode()
            if subject is not None and subject not in keys:
                self._metrics.publish_failed.labels("keyless").inc()
                log.error("outbox.keyless", key=row["routing_key"], subject=str(subject))
                messages.append(None)
                continue
            if subject is not None:
                fields = personal_fields(headers["ce-type"], int(headers["ce-dataschema"].rpartition(":")[2]))
                body = orjson.dumps(seal(orjson.loads(body), fields, subject, keys[subject]))
            messages.append(Outbound(row["exchange"], row["routing_key"], body, headers))
        return messages

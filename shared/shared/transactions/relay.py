"""Publishes outbox rows at least once, in about the order of their commits."""

import asyncio
from contextlib import suppress
from uuid import UUID, uuid4

import orjson
import structlog
from psycopg.rows import DictRow

from shared.errors import InfrastructureDown, Undeliverable
from shared.messaging.confirming_channel import Outbound
from shared.messaging.publisher import Publisher
from shared.persistence.database import Database
from shared.persistence.database_errors import is_contention, is_database_down
from shared.persistence.encryption import SubjectKeyStore, encrypt_personal, personal_fields
from shared.telemetry import Metrics
from shared.transactions.outbox import DELETE_PUBLISHED_ROWS, LEASE_OUTBOX_ROWS, POSTPONE_FAILED_ROWS

log = structlog.get_logger()

LINGER = ((12, 0.02), (3, 0.004))
"""(rows of the last batch, seconds to wait for more): large batches are cheaper. A single row is sent immediately."""

UNAVAILABLE = "unavailable"
REASONS = (UNAVAILABLE, "missing_key", "unconfirmed", "unroutable", "refused")
"""The reason of a failure while the broker is unavailable; a label of `schoolconnect_outbox_failed_total`."""


class Relay:
    """Leases a batch of rows, publishes it, and deletes the confirmed rows. Runs in every process of a service.

    Run it several times per process: one leases rows while the others wait for their confirms.
    """

    def __init__(
        self,
        database: Database,
        publisher: Publisher,
        vault: SubjectKeyStore,
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
        for reason in REASONS:
            metrics.publish_failed.labels(reason)
        self._batch = batch
        self._lease_seconds = lease_seconds
        self._sweep_seconds = sweep_seconds
        self._turn = asyncio.Lock()
        self._last = batch

    async def run(self) -> None:
        """Publish rows until cancelled. Each commit with outbox rows wakes it; it also looks every `sweep_seconds`."""
        while True:
            try:
                async with self._turn:
                    lease, rows = await self._lease_batch()
                await self._publish_batch(lease, rows)
            except Exception as problem:
                if not is_database_down(problem) and not is_contention(problem):
                    raise
                log.warning("relay.database_unavailable", error=type(problem).__name__)
                await asyncio.sleep(self._sweep_seconds)

    async def _lease_batch(self) -> tuple[UUID, list[DictRow]]:
        """Lease the next batch; it may be empty."""
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
            rows = await (await connection.execute(LEASE_OUTBOX_ROWS, values)).fetchall()
        self._last = len(rows)
        return lease, rows

    async def _publish_batch(self, lease: UUID, rows: list[DictRow]) -> None:
        """Publish a batch; delete the confirmed rows and postpone the others."""
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
                await connection.execute(DELETE_PUBLISHED_ROWS, {"positions": done})
            if kept:
                await connection.execute(POSTPONE_FAILED_ROWS, {"positions": list(kept), "lease": lease})
        self._metrics.published.inc(len(done))

    async def _publish(self, messages: list[Outbound]) -> list[str | None]:
        """Publish messages; returns the reason of each failure in one word, None for a confirmed message."""
        if not messages:
            return []
        try:
            failures = await self._publisher.publish_all(messages)
        except InfrastructureDown:
            return [UNAVAILABLE] * len(messages)
        return [None if f is None else str(f) if isinstance(f, Undeliverable) else UNAVAILABLE for f in failures]

    async def _encode(self, rows: list[DictRow]) -> list[Outbound | None]:
        """Make the messages of rows, with their personal fields encrypted.

        A message is None if its subject has no key: it must not be published in plain text, and must not block others.
        Only the gateway creates keys.
        """
        subjects: set[UUID] = {row["sealed_for"] for row in rows if row["sealed_for"]}
        keys = await self._vault.keys(subjects) if subjects else {}
        messages: list[Outbound | None] = []
        for row in rows:
            subject, headers, body = row["sealed_for"], orjson.loads(row["headers"]), row["data"].encode()
            if subject is not None and subject not in keys:
                self._metrics.publish_failed.labels("missing_key").inc()
                log.error("outbox.missing_encryption_key", key=row["routing_key"], subject=str(subject))
                messages.append(None)
                continue
            if subject is not None:
                fields = personal_fields(headers["ce-type"], int(headers["ce-dataschema"].rpartition(":")[2]))
                body = orjson.dumps(encrypt_personal(orjson.loads(body), fields, subject, keys[subject]))
            messages.append(Outbound(row["exchange"], row["routing_key"], body, headers))
        return messages

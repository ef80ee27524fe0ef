"""What one permit claimed, on its way: calls at once, outcomes committed as they come, the lease kept."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog

from notifier.domain.delivery import PATIENT, Tries, Verdict, judge
from notifier.planning import planner
from notifier.providers import Outcome
from notifier.sending import provider_feedback
from notifier.sending import sql as sending_sql
from notifier.sending.provider_limiter import FLUSH_RESULTS, Line
from shared.events import Envelope
from shared.persistence.database_errors import contention, infrastructure
from shared.transactions.unit_of_work import Transaction, Transactions

log = structlog.get_logger()

LOOK_SECONDS = 1.0
FLUSH_SECONDS = 0.02
DATABASE_PAUSE = 0.2

STOPPED = "SELECT state = 'cancelled' AS stopped FROM notification WHERE notification_id = %(notification_id)s"

InCommit = Callable[[Transaction], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Unit:
    """One call: for one delivery, or for the items of a digest (`ids`). The lowest `turn` goes first."""

    notification: Mapping[str, Any]
    delivery: Mapping[str, Any]
    ids: tuple[int, ...]
    tries: Tries
    turn: int


def tries_of(rows: Sequence[Mapping[str, Any]]) -> Tries:
    """What was tried so far for claimed rows that go out as one."""
    if len(rows) == 1:
        return Tries(rows[0]["attempts"], rows[0]["silent"], rows[0]["patient"])
    return Tries(*(max(row[count] for row in rows) for count in ("attempts", "silent", "patient")))


@dataclass(frozen=True, slots=True)
class Result:
    """A provider's answer and what follows from it."""

    unit: Unit
    outcome: Outcome
    verdict: Verdict


@dataclass(slots=True)
class Batch:
    """Units under one lease. `go_on` runs in the last flush's commit, `permitted` with every renewal of the lease.

    With `stops_with` it looks whether that notification has been stopped: what is not being sent yet is given back.
    """

    line: Line
    transactions: Transactions
    cause: Envelope
    lease: UUID
    units: Sequence[Unit]
    go_on: InCommit
    permitted: InCommit
    stops_with: UUID | None = None
    stopped: bool = False
    expected: int = 0
    unrecorded: int = 0
    results: asyncio.Queue[Result] = field(default_factory=asyncio.Queue)

    async def run(self, turn: int | None) -> None:
        """Send all units, at `turn` if given, else each at its own; returns when every outcome is committed."""
        self.expected = len(self.units)
        try:
            async with asyncio.TaskGroup() as group:
                keeping = group.create_task(self._keep())
                for unit in self.units:
                    group.create_task(self._deliver(unit, unit.turn if turn is None else turn))
                await self._record()
                keeping.cancel()
        finally:
            self.line.recorded(self.unrecorded)

    async def _deliver(self, unit: Unit, turn: int) -> None:
        await self.line.place(turn)
        self.unrecorded += 1
        try:
            if self.stopped:
                outcome = Outcome("withheld", "stopped")
            else:
                outcome = await self.line.call(unit.notification, unit.delivery)
        finally:
            self.line.called()
        luck = random.random()  # noqa: S311  # spreads retries, not a secret
        tries = Tries(
            unit.tries.attempts,
            unit.tries.silent + (outcome.kind == "unknown"),
            unit.tries.patient + (outcome.kind in PATIENT),
        )
        verdict = judge(outcome.kind, outcome.reason, tries, outcome.retry_after, luck)
        self.results.put_nowait(Result(unit, outcome, verdict))

    async def _record(self) -> None:
        """Commit outcomes every FLUSH_RESULTS or FLUSH_SECONDS, whichever is first."""
        while self.expected:
            results = await self._next()
            self.expected -= len(results)
            while not await self._recorded(results):
                await asyncio.sleep(DATABASE_PAUSE)
            self.unrecorded -= len(results)
            self.line.recorded(len(results))

    async def _next(self) -> list[Result]:
        found = [await self.results.get()]
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_SECONDS):
                while len(found) < FLUSH_RESULTS:
                    found.append(await self.results.get())
        return found

    async def _recorded(self, results: list[Result]) -> bool:
        """Commit some outcomes; False while the database is away, or busy with the same rows.

        They are kept: a provider was called for each of them, and what is lost here is sent a second time.
        """
        values = _values(self.lease, results)
        try:
            async with self.transactions.begin(self.cause) as tx:
                rows = await tx.rows(sending_sql.OUTCOMES, values)
                moved = sum(row["moved"] for row in rows)
                if moved < len(values["ids"]):
                    log.warning("delivery.lease_lost", lost=len(values["ids"]) - moved)
                await provider_feedback.follow(tx, self.line, [(r.unit, r.outcome) for r in results])
                for row in rows:
                    if row["finished"]:
                        state = await planner.settle(tx, row["notification_id"], row["finished"], well=row["well"])
                        self.stopped |= state == "cancelled" and self.stops_with is not None
                if not self.expected:
                    await self.go_on(tx)
        except Exception as problem:
            if not (infrastructure(problem) or contention(problem)):
                raise
            log.warning("outcomes.held", outcomes=len(results), error=type(problem).__name__)
            return False
        return True

    async def _keep(self) -> None:
        """Keep the lease while providers are slow; while the database is away it may run out, and a repeat replaces."""
        ids = [each for unit in self.units for each in unit.ids]
        values = {"lease": self.lease, "ids": ids, "seconds": self.line.lease}
        loop = asyncio.get_running_loop()
        renewed = loop.time()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                async with self.transactions.begin() as tx:
                    if self.stops_with is not None:
                        row = await tx.row(STOPPED, {"notification_id": self.stops_with})
                        self.stopped |= bool(row and row["stopped"])
                    if loop.time() - renewed >= self.line.lease / 3:
                        await tx.execute(sending_sql.RENEW, values)
                        await self.permitted(tx)
                        renewed = loop.time()
            except Exception as problem:
                if not (infrastructure(problem) or contention(problem)):
                    raise
                log.warning("lease.not_renewed", error=type(problem).__name__)


def _values(lease: UUID, results: list[Result]) -> dict[str, Any]:
    """Columns for OUTCOMES; the items of a digest share its outcome."""
    rows = [(each, result) for result in results for each in result.unit.ids]
    return {
        "lease": lease,
        "ids": [each for each, _ in rows],
        "states": [result.verdict.state for _, result in rows],
        "reasons": [result.verdict.reason for _, result in rows],
        "outcomes": [result.outcome.kind for _, result in rows],
        "providers": [result.outcome.provider_id for _, result in rows],
        "due_in": [result.verdict.due_in for _, result in rows],
        "patient": sorted(PATIENT - {"withheld"}),
    }

"""The claim loop: what is due is fired, told and armed again in one commit. Every replica runs it.

The database's clock decides what is due; the sleep in between is only a hint, and never longer than `look_every`, so a
schedule that another replica was told of is seen in time, and so is one whose replica died.
"""

import asyncio
import datetime as dt
import json
from typing import Any

import structlog
from psycopg.rows import DictRow

from scheduler import domain, store
from scheduler.arming import at, calendar_of, latest_of, moved, over, rule_of
from scheduler.occasions import Run, event_of, outgoing
from shared.events.schedule_rules import Rule
from shared.persistence.database_errors import is_database_down
from shared.recurrence import SchoolCalendar, is_over
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

log = structlog.get_logger()

MICROSECOND = dt.timedelta(microseconds=1)
TURNS = 50
"""Repeating schedules claimed by one commit: their next ticks are calculated here, which must not hold the loop."""

# The clock is read once, in a subquery: as a volatile function in the condition it would keep the index from use.
# Rows that a decision holds are skipped; one that was decided meanwhile is looked at again by PostgreSQL, as it is now.
FIRE = """
WITH clock AS MATERIALIZED (SELECT clock_timestamp() AS now), due AS (
    SELECT schedule_id, school_id, emits, headers, data, due_at, fire_until, directory_version
    FROM schedule
    WHERE state = 'active' AND simple AND due_at <= (SELECT now FROM clock)
    ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), told AS (
    INSERT INTO outbox (exchange, routing_key, headers, data, sealed_for)
    SELECT 'school.events', d.emits,
           left(d.headers, -1) || ', "ce-time": "' || to_char(c.now, 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"') || '"}',
           left(d.data, -1) || ', "directory_version": ' || greatest(d.directory_version, s.seen) || '}',
           d.schedule_id
    FROM due d CROSS JOIN clock c LEFT JOIN school s USING (school_id)
    WHERE d.fire_until >= c.now ORDER BY d.due_at
), fired AS (
    UPDATE schedule s SET
        state = CASE WHEN d.fire_until >= c.now THEN 'done' ELSE 'expired' END,
        last_outcome = CASE WHEN d.fire_until >= c.now THEN 'ran' ELSE 'expired' END,
        runs = runs + (d.fire_until >= c.now)::int,
        last_run_at = CASE WHEN d.fire_until >= c.now THEN c.now END,
        last_task_id = (s.payload->>'task_id')::uuid,
        last_notification_id = (s.payload->>'notification_id')::uuid,
        version = version + 1, last_due_at = s.due_at, due_at = NULL, headers = NULL, data = NULL, changed_at = c.now
    FROM due d CROSS JOIN clock c WHERE s.schedule_id = d.schedule_id
    RETURNING s.schedule_id, s.state
)
SELECT count(*) AS claimed, array_agg(schedule_id) FILTER (WHERE state = 'expired') AS expired FROM fired
"""
EXPIRED = "SELECT * FROM schedule WHERE schedule_id = ANY(%(ids)s)"
CLAIM = """
SELECT s.*, c.calendar, c.calendar_version AS calendar_known, coalesce(c.seen, 0) AS seen
FROM (
    SELECT * FROM schedule
    WHERE state = 'active' AND NOT simple AND due_at <= (SELECT clock_timestamp())
    ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
) s LEFT JOIN school c USING (school_id)
"""
TURNED = """
UPDATE schedule s SET state = r.state, due_at = r.due_at, fire_until = r.fire_until, runs = s.runs + r.ran,
    over_until = r.over_until, last_due_at = r.last_due_at, last_outcome = r.last_outcome,
    last_run_at = coalesce(r.last_run_at, s.last_run_at), last_task_id = coalesce(r.last_task_id, s.last_task_id),
    last_notification_id = coalesce(r.last_notification_id, s.last_notification_id), version = s.version + 1,
    calendar_version = greatest(s.calendar_version, r.calendar_version), changed_at = clock_timestamp()
FROM jsonb_to_recordset(%(rows)s) AS r(schedule_id uuid, state text, due_at timestamptz, fire_until timestamptz,
    over_until timestamp, ran bigint, last_due_at timestamptz, last_run_at timestamptz, last_outcome text,
    last_task_id uuid, last_notification_id uuid, calendar_version bigint)
WHERE s.schedule_id = r.schedule_id
"""
NEXT = """
SELECT extract(epoch FROM least(
    (SELECT min(due_at) FROM schedule WHERE state = 'active' AND simple),
    (SELECT min(due_at) FROM schedule WHERE state = 'active' AND NOT simple)) - clock_timestamp())::float8 AS seconds
"""


class Firing:
    """Releases what is due for as long as the service lives."""

    def __init__(self, transactions: UnitOfWorkFactory, *, claim: int, look_every: float) -> None:
        self._transactions = transactions
        self._claim = claim
        self._look_every = look_every

    async def run(self) -> None:
        """Until cancelled; while the database is away it asks again."""
        while True:
            try:
                full = await self.release()
                pause = 0.0 if full else await self._until_next()
            except Exception as problem:
                if not is_database_down(problem):
                    raise
                log.warning("firing.database_away", error=type(problem).__name__)
                pause = self._look_every
            # Slept on the monotonic clock: a wall clock that jumps changes nothing.
            await asyncio.sleep(pause)

    async def release(self) -> bool:
        """Fire one batch of each sort; whether there may be more."""
        single = await fire_single(self._transactions, self._claim)
        repeating = await take_turns(self._transactions)
        return single == self._claim or repeating == TURNS

    async def _until_next(self) -> float:
        async with self._transactions.database.worker() as connection:
            row = await (await connection.execute(NEXT)).fetchone()
        seconds = row["seconds"] if row else None
        return self._look_every if seconds is None else min(max(float(seconds), 0.0), self._look_every)


async def fire_single(transactions: UnitOfWorkFactory, limit: int) -> int:
    """Fire up to `limit` single runs that are due; returns how many were claimed."""
    async with transactions.begin() as tx:
        row = await tx.row(FIRE, {"limit": limit})
        assert row is not None
        if row["expired"]:
            await _tell_expired(tx, row["expired"])
    if row["claimed"]:
        transactions.outbox_filled.set()
    return int(row["claimed"])


async def _tell_expired(tx: UnitOfWork, ids: list[Any]) -> None:
    for row in await tx.rows(EXPIRED, {"ids": ids}):
        store.tell(tx, row)
        await store.end_task(tx, row, "failed", "it came due while nobody could send it, and is of no use any more")


async def take_turns(transactions: UnitOfWorkFactory, limit: int = TURNS) -> int:
    """Let repeating schedules that are due run, and arm their next ticks; returns how many were claimed."""
    async with transactions.begin() as tx:
        rows = await tx.rows(CLAIM, {"limit": limit})
        if not rows:
            return 0
        moment = await store.now(tx)
        turned = []
        for row in rows:
            turned.append(await _turn(tx, row, moment))
            await asyncio.sleep(0)  # a rule may take a millisecond for each tick: others have their turn in between
        await tx.execute(TURNED, {"rows": json.dumps(turned, default=str)})
    return len(rows)


async def _turn(tx: UnitOfWork, row: DictRow, moment: dt.datetime) -> dict[str, Any]:
    rule, school = rule_of(row), calendar_of(row["calendar"])
    turn = _decided(row, rule, moment, school)
    runs = [Run(row, domain.tick_name(tick), tick) for tick in turn.runs]
    for run in runs:
        event = event_of(run, max(row["directory_version"], row["seen"]))
        tx.outgoing.append(outgoing(run, event, moment))
    ended = turn.then is None and is_over(rule, row["timezone"], moment)
    if ended and not runs:
        await store.end_task(tx, row, "failed", "it came due while nobody could send it, and is of no use any more")
    last = runs[-1] if runs else None
    done = moment if turn.then is None else min(moment, turn.then - MICROSECOND)
    return at(row, turn.then) | {
        "schedule_id": row["schedule_id"],
        "state": row["state"] if not ended else "done" if row["runs"] or runs else "expired",
        "over_until": over(row, rule, done, school),
        "ran": len(runs),
        "last_due_at": last.due_at if last else row["due_at"],
        "last_run_at": moment if last else None,
        "last_outcome": "ran" if last and not turn.dropped else "caught_up" if last else turn.dropped,
        "last_task_id": last.task_id if last else None,
        "last_notification_id": last.notification_id if last else None,
        "calendar_version": row["calendar_known"] or 0,
    }


def _decided(row: DictRow, rule: Rule, moment: dt.datetime, school: SchoolCalendar) -> domain.Turn:
    """What it does now. Where the calendar has changed since this tick was armed, the tick may have moved."""
    due_at: dt.datetime | None = row["due_at"]
    if row["needs_calendar"] and row["calendar_version"] < (row["calendar_known"] or 0):
        due_at = moved(row, row["due_at"] - MICROSECOND, school)["due_at"]
    if due_at is None or due_at > moment:
        return domain.Turn((), "moved", due_at)
    return domain.take_turn(
        rule, row["timezone"], due_at, moment, policy=row["catch_up"], latest=latest_of(row), school=school
    )

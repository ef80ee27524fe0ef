"""The claim loop: publishes due runs and computes the next ones, in one commit. Every replica runs it.

The database's clock decides what is due. The pause between two looks is at most `look_every` seconds, so that a replica
also finds schedules that another replica has registered, and those of a replica that has died.
"""

import asyncio
import datetime as dt
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import structlog
from psycopg.rows import DictRow

from scheduler import domain, store
from scheduler.next_due import (
    calendar_of,
    completed_occurrences,
    due_columns,
    latest_of,
    recompute_after_calendar_change,
    rule_of,
)
from scheduler.punctuality import Punctuality
from scheduler.run_events import ScheduledRun, event_of, outbox_entry
from shared.events.schedule_rules import Rule
from shared.persistence.database_errors import is_contention, is_database_down
from shared.recurrence import SchoolCalendar, is_over
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

log = structlog.get_logger()

MICROSECOND = dt.timedelta(microseconds=1)
NOT_SENT_IN_TIME = "it could not be sent in time, and is no longer useful"
"""The error of a task whose run expired."""
NOT_ACTIVE = "it was not sent: the school is not active"
"""The error of a task whose school was not active when its run was due."""
NOT_LATE = frozenset({"moved", "inactive"})
"""Outcomes of a due schedule of which nothing was to be published."""
REPEATING_LIMIT = 50
"""Repeating schedules per commit. Their next runs are computed in this process, which must not block the event loop."""

# Publish single runs that are due, or expire them, or cancel those of a school that is not active, and end their
# schedules. A run is late from its due time on, or from the last decision about it. The clock is read once, in a
# subquery: a volatile function in the condition would prevent the use of the index. Rows that a decision has locked are
# skipped; PostgreSQL checks a row that was changed meanwhile again.
FIRE_SINGLE_RUNS = """
WITH clock AS MATERIALIZED (SELECT clock_timestamp() AS now), due AS (
    SELECT schedule_id, school_id, emits, headers, data, due_at, fire_until, directory_version, changed_at
    FROM schedule
    WHERE state = 'active' AND simple AND due_at <= (SELECT now FROM clock)
    ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), judged AS MATERIALIZED (
    SELECT d.*, s.seen, CASE WHEN s.active IS FALSE THEN 'inactive' WHEN d.fire_until < c.now THEN 'expired'
                             ELSE 'ran' END AS outcome
    FROM due d CROSS JOIN clock c LEFT JOIN school s USING (school_id)
), put AS MATERIALIZED (
    SELECT put_events(array_agg((
        d.emits,
        json_with(d.headers, 'ce-time', to_json(to_char(c.now, 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'))::text),
        json_with(d.data, 'directory_version', greatest(d.directory_version, d.seen)::text),
        d.schedule_id)::outbox_event ORDER BY d.due_at))
    FROM judged d CROSS JOIN clock c WHERE d.outcome = 'ran'
), fired AS (
    UPDATE schedule s SET
        state = CASE d.outcome WHEN 'ran' THEN 'done' WHEN 'inactive' THEN 'cancelled' ELSE 'expired' END,
        last_outcome = d.outcome,
        runs = runs + (d.outcome = 'ran')::int,
        last_run_at = CASE WHEN d.outcome = 'ran' THEN c.now END,
        last_task_id = (s.payload->>'task_id')::uuid,
        last_notification_id = (s.payload->>'notification_id')::uuid,
        version = version + 1, last_due_at = s.due_at, due_at = NULL, headers = NULL, data = NULL, changed_at = c.now
    FROM judged d CROSS JOIN clock c WHERE s.schedule_id = d.schedule_id
    RETURNING s.schedule_id, s.state, d.outcome,
              extract(epoch FROM c.now - greatest(d.due_at, d.changed_at))::float8 AS late
)
SELECT count(*) AS claimed, array_agg(schedule_id) FILTER (WHERE state <> 'done') AS stopped,
       array_agg(late) FILTER (WHERE outcome <> 'inactive') AS late FROM fired, put
"""
# Find schedules by their ids.
SELECT_SCHEDULES = "SELECT * FROM schedule WHERE schedule_id = ANY(%(ids)s)"
# Lock repeating schedules that are due, with the calendars of their schools.
CLAIM_REPEATING = """
SELECT s.*, coalesce(c.active, true) AS school_active, c.calendar, c.calendar_version AS calendar_known,
       coalesce(c.seen, 0) AS seen
FROM (
    SELECT * FROM schedule
    WHERE state = 'active' AND NOT simple AND due_at <= (SELECT clock_timestamp())
    ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
) s LEFT JOIN school c USING (school_id)
"""
# Write the results and the next runs of repeating schedules.
UPDATE_REPEATING = """
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
# Find the seconds until the next schedule is due.
SELECT_SECONDS_TO_NEXT = """
SELECT extract(epoch FROM least(
    (SELECT min(due_at) FROM schedule WHERE state = 'active' AND simple),
    (SELECT min(due_at) FROM schedule WHERE state = 'active' AND NOT simple)) - clock_timestamp())::float8 AS seconds
"""


class DueScheduleLoop:
    """Fires due schedules while the service runs."""

    def __init__(
        self, transactions: UnitOfWorkFactory, punctuality: Punctuality, *, claim: int, look_every: float
    ) -> None:
        self._transactions = transactions
        self._punctuality = punctuality
        self._claim = claim
        self._look_every = look_every

    async def run(self) -> None:
        """Run until cancelled; while the database is down, try again."""
        while True:
            try:
                full = await self.fire_due()
                pause = 0.0 if full else await self._until_next()
            except Exception as problem:
                if not is_database_down(problem) and not is_contention(problem):
                    raise
                log.warning("claim_loop.database_unavailable", error=type(problem).__name__)
                pause = self._look_every
            # The pause uses the monotonic clock: a jump of the wall clock changes nothing.
            await asyncio.sleep(pause)

    async def fire_due(self) -> bool:
        """Fire one batch of single runs and one of repeating schedules; returns whether more may be due."""
        note = self._punctuality.lateness.observe
        single = await fire_single_runs(self._transactions, self._claim, note)
        repeating = await fire_repeating(self._transactions, note_late=note)
        self._punctuality.looked_at.set_to_current_time()
        return single == self._claim or repeating == REPEATING_LIMIT

    async def _until_next(self) -> float:
        async with self._transactions.database.worker() as connection:
            row = await (await connection.execute(SELECT_SECONDS_TO_NEXT)).fetchone()
        seconds = row["seconds"] if row else None
        return self._look_every if seconds is None else min(max(float(seconds), 0.0), self._look_every)


async def fire_single_runs(
    transactions: UnitOfWorkFactory, limit: int, note_late: Callable[[float], object] = lambda _: None
) -> int:
    """Fire up to `limit` single runs that are due; returns the number of claimed schedules.

    `note_late` is called after the commit with the seconds that each was late.
    """
    async with transactions.begin() as tx:
        row = await tx.row(FIRE_SINGLE_RUNS, {"limit": limit})
        assert row is not None
        if row["stopped"]:
            await _report_stopped(tx, row["stopped"])
    if row["claimed"]:
        transactions.outbox_filled.set()
    for seconds in row["late"] or ():
        note_late(seconds)
    return int(row["claimed"])


async def _report_stopped(tx: UnitOfWork, ids: list[Any]) -> None:
    for row in await tx.rows(SELECT_SCHEDULES, {"ids": ids}):
        store.publish_change(tx, row)
        inactive = row["last_outcome"] == "inactive"
        await store.end_task(tx, row, "failed", NOT_ACTIVE if inactive else NOT_SENT_IN_TIME)


async def fire_repeating(
    transactions: UnitOfWorkFactory,
    limit: int = REPEATING_LIMIT,
    note_late: Callable[[float], object] = lambda _: None,
) -> int:
    """Fire repeating schedules that are due and compute their next runs; returns the number of claimed schedules.

    `note_late` is called after the commit with the seconds that each was late.
    """
    async with transactions.begin() as tx:
        rows = await tx.rows(CLAIM_REPEATING, {"limit": limit})
        if not rows:
            return 0
        moment = await store.database_now(tx)
        fired = []
        for row in rows:
            fired.append(await _fire_schedule(tx, row, moment))
            await asyncio.sleep(0)  # a rule may need a millisecond per run: let other tasks run in between
        await tx.execute(UPDATE_REPEATING, {"rows": json.dumps(fired, default=str)})
    for row, result in zip(rows, fired, strict=True):
        if result["last_outcome"] not in NOT_LATE:
            note_late((moment - max(row["due_at"], row["changed_at"])).total_seconds())
    return len(rows)


async def _fire_schedule(tx: UnitOfWork, row: DictRow, moment: dt.datetime) -> dict[str, Any]:
    rule, school = rule_of(row), calendar_of(row["calendar"])
    decision = _decide(row, rule, moment, school)
    if not row["school_active"]:
        decision = replace(decision, runs=(), dropped="inactive")
    runs = [ScheduledRun(row, domain.run_name(tick), tick) for tick in decision.runs]
    for run in runs:
        event = event_of(run, max(row["directory_version"], row["seen"]))
        tx.outgoing.append(outbox_entry(run, event, moment))
    ended = decision.then is None and is_over(rule, row["timezone"], moment)
    if ended and not runs:
        await store.end_task(tx, row, "failed", NOT_SENT_IN_TIME if row["school_active"] else NOT_ACTIVE)
    last = runs[-1] if runs else None
    done = moment if decision.then is None else min(moment, decision.then - MICROSECOND)
    return due_columns(row, decision.then) | {
        "schedule_id": row["schedule_id"],
        "state": row["state"] if not ended else "done" if row["runs"] or runs else "expired",
        "over_until": completed_occurrences(row, rule, done, school),
        "ran": len(runs),
        "last_due_at": last.due_at if last else row["due_at"],
        "last_run_at": moment if last else None,
        "last_outcome": "ran" if last and not decision.dropped else "caught_up" if last else decision.dropped,
        "last_task_id": last.task_id if last else None,
        "last_notification_id": last.notification_id if last else None,
        "calendar_version": row["calendar_known"] or 0,
    }


def _decide(row: DictRow, rule: Rule, moment: dt.datetime, school: SchoolCalendar) -> domain.DueDecision:
    """Decide what a due schedule does. If its calendar has changed since the computation, the run may have moved."""
    due_at: dt.datetime | None = row["due_at"]
    if row["needs_calendar"] and row["calendar_version"] < (row["calendar_known"] or 0):
        due_at = recompute_after_calendar_change(row, row["due_at"] - MICROSECOND, school)["due_at"]
    if due_at is None or due_at > moment:
        return domain.DueDecision((), "moved", due_at)
    return domain.decide_due_runs(
        rule, row["timezone"], due_at, moment, policy=row["catch_up"], latest=latest_of(row), school=school
    )

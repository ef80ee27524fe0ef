"""The schedule table: registers requested schedules, reads rows, and writes decisions."""

import datetime as dt
from typing import Any
from uuid import UUID

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from scheduler.domain import same_local_time
from scheduler.next_due import calendar_of, compute_next_due, recompute_after_calendar_change, rule_of
from shared.events import ScheduleChanged, ScheduleRequested
from shared.events.notifications import SEND_TASK
from shared.jobs.task_status import track
from shared.recurrence import SchoolCalendar
from shared.transactions.unit_of_work import UnitOfWork

# Insert a requested schedule. A tombstone with its id is completed; it keeps the state that was decided.
INSERT_SCHEDULE = """
INSERT INTO schedule AS s (schedule_id, school_id, emits, state, rule, timezone, catch_up, max_age_seconds, payload,
                           directory_version, requested_by, requested_at, correlation_id, simple, needs_calendar,
                           calendar_version, over_until, due_at, fire_until, headers, data)
VALUES (%(schedule_id)s, %(school_id)s, %(emits)s, %(state)s, %(rule)s, %(timezone)s, %(catch_up)s,
        %(max_age_seconds)s, %(payload)s, %(directory_version)s, %(requested_by)s, %(requested_at)s,
        %(correlation_id)s, %(simple)s, %(needs_calendar)s, %(calendar_version)s, %(over_until)s, %(due_at)s,
        %(fire_until)s, %(headers)s, %(data)s)
ON CONFLICT (schedule_id) DO UPDATE SET emits = excluded.emits, version = s.version + 1, rule = excluded.rule,
    timezone = excluded.timezone, catch_up = excluded.catch_up, max_age_seconds = excluded.max_age_seconds,
    payload = excluded.payload, directory_version = excluded.directory_version, requested_by = excluded.requested_by,
    requested_at = excluded.requested_at, correlation_id = excluded.correlation_id, simple = excluded.simple,
    needs_calendar = excluded.needs_calendar, calendar_version = excluded.calendar_version,
    over_until = excluded.over_until, due_at = excluded.due_at, fire_until = excluded.fire_until,
    headers = excluded.headers, data = excluded.data, changed_at = clock_timestamp()
WHERE s.rule IS NULL AND s.school_id = excluded.school_id
RETURNING schedule_id, school_id, emits, state, version, timezone, due_at, changed_at, wish
"""
# Find a schedule.
SELECT_SCHEDULE = "SELECT * FROM schedule WHERE schedule_id = %(id)s"
# Delete the tombstone of a schedule whose request cannot be used.
DELETE_TOMBSTONE = "DELETE FROM schedule WHERE schedule_id = %(id)s AND rule IS NULL"
# Find timezone, calendar and directory version of a school.
SELECT_SCHOOL = "SELECT timezone, calendar, calendar_version, seen FROM school WHERE school_id = %(school)s"
# Find the timezone of a school.
SELECT_TIMEZONE = "SELECT timezone FROM school WHERE school_id = %(school)s"
# Find out whether a school is active.
SELECT_ACTIVE = "SELECT active FROM school WHERE school_id = %(school)s"
# Find a school whose timezone has changed since its schedules were computed with it.
SELECT_MOVED_SCHOOL = """
SELECT school_id, timezone, zone_followed FROM school
WHERE timezone IS NOT NULL AND zone_followed IS DISTINCT FROM timezone LIMIT 1 FOR UPDATE SKIP LOCKED
"""
# Lock open schedules that are in the timezone that their school had. A schedule that is due now is left to the claim
# loop.
LOCK_SCHEDULES_OF_ZONE = """
SELECT * FROM schedule
WHERE school_id = %(school_id)s AND timezone = %(zone_followed)s AND state IN ('active', 'paused')
  AND emits = 'notification.due' AND (due_at IS NULL OR due_at > %(now)s)
LIMIT 50 FOR UPDATE SKIP LOCKED
"""
# Note that the schedules of a school are computed with its timezone.
FOLLOW_ZONE = "UPDATE school SET zone_followed = timezone WHERE school_id = %(school_id)s"
# Read the database's clock.
SELECT_NOW = "SELECT clock_timestamp() AS now"
# Lock a schedule that the caller may change: of the school, or without a school for administrators.
LOCK_SCHEDULE = """
SELECT * FROM schedule WHERE schedule_id = %(id)s
    AND (school_id = %(school)s OR (school_id IS NULL AND %(admin)s))
    AND (emits IN ('notification.due', '') OR %(admin)s)
FOR UPDATE
"""
# Note a decision about a schedule whose request has not arrived yet.
INSERT_TOMBSTONE = """
INSERT INTO schedule (schedule_id, school_id, emits, state) VALUES (%(id)s, %(school)s, '', %(state)s)
ON CONFLICT DO NOTHING RETURNING *
"""
# Write all columns of a locked schedule, with a new version.
UPDATE_SCHEDULE = """
UPDATE schedule SET state = %(state)s, version = version + 1, rule = %(rule)s, timezone = %(timezone)s,
    catch_up = %(catch_up)s, max_age_seconds = %(max_age_seconds)s, payload = %(payload)s,
    directory_version = %(directory_version)s, simple = %(simple)s, needs_calendar = %(needs_calendar)s,
    calendar_version = %(calendar_version)s, due_at = %(due_at)s, fire_until = %(fire_until)s, headers = %(headers)s,
    data = %(data)s, runs = %(runs)s, last_due_at = %(last_due_at)s, last_run_at = %(last_run_at)s,
    last_outcome = %(last_outcome)s, last_task_id = %(last_task_id)s,
    last_notification_id = %(last_notification_id)s, wish = %(wish)s, over_until = %(over_until)s,
    changed_at = clock_timestamp()
WHERE schedule_id = %(schedule_id)s
RETURNING *
"""
# Project schools; an older version changes nothing.
UPSERT_SCHOOLS = """
INSERT INTO school AS s (school_id, timezone, zone_followed, active, version, seen)
SELECT school_id, timezone, timezone, active, version, seen
FROM jsonb_to_recordset(%(rows)s) AS r(school_id uuid, timezone text, active boolean, version bigint, seen bigint)
ON CONFLICT (school_id) DO UPDATE SET timezone = excluded.timezone, active = excluded.active,
    zone_followed = coalesce(s.zone_followed, excluded.timezone),
    version = excluded.version, seen = greatest(s.seen, excluded.seen)
WHERE s.version < excluded.version
"""
# Project calendars; an older version changes nothing.
UPSERT_CALENDARS = """
INSERT INTO school AS s (school_id, calendar, calendar_version, seen)
SELECT * FROM jsonb_to_recordset(%(rows)s) AS r(school_id uuid, calendar jsonb, calendar_version bigint, seen bigint)
ON CONFLICT (school_id) DO UPDATE SET calendar = excluded.calendar, calendar_version = excluded.calendar_version,
    seen = greatest(s.seen, excluded.seen)
WHERE s.calendar_version < excluded.calendar_version
"""
# Note the highest directory version of each school.
UPSERT_DIRECTORY_VERSIONS = """
INSERT INTO school AS s (school_id, seen)
SELECT school_id, max(seen) FROM jsonb_to_recordset(%(rows)s) AS r(school_id uuid, seen bigint) GROUP BY school_id
ON CONFLICT (school_id) DO UPDATE SET seen = excluded.seen WHERE s.seen < excluded.seen
"""
# Lock active schedules whose next run was computed with an older calendar. A schedule that is due now is left to the
# claim loop, which checks the calendar again.
LOCK_OUTDATED_SCHEDULES = """
SELECT s.* FROM schedule s JOIN school c USING (school_id)
WHERE s.needs_calendar AND s.state = 'active' AND s.calendar_version < c.calendar_version
  AND (s.due_at IS NULL OR s.due_at > %(now)s)
LIMIT 50 FOR UPDATE OF s SKIP LOCKED
"""
# Delete schedules and tombstones that have not changed for some days since their end.
DELETE_ENDED_SCHEDULES = """
DELETE FROM schedule WHERE schedule_id IN (
    SELECT schedule_id FROM schedule WHERE (state IN ('done', 'expired', 'cancelled') OR rule IS NULL)
      AND changed_at < statement_timestamp() - make_interval(days => %(days)s) LIMIT 1000 FOR UPDATE SKIP LOCKED)
"""


async def database_now(tx: UnitOfWork) -> dt.datetime:
    """Return the time of the database, the only clock that decides."""
    row = await tx.row(SELECT_NOW)
    assert row is not None
    moment: dt.datetime = row["now"]
    return moment


async def timezone_of(tx: UnitOfWork, school: UUID | None) -> str | None:
    """Return the timezone of a school; None while the school is unknown."""
    row = await tx.row(SELECT_TIMEZONE, {"school": school})
    return row["timezone"] if row else None


async def calendar_of_school(tx: UnitOfWork, school: UUID | None) -> tuple[SchoolCalendar, int]:
    """Return a school's calendar and its version; an empty calendar while the school is unknown."""
    row = None if school is None else await tx.row(SELECT_SCHOOL, {"school": school})
    return (calendar_of(row["calendar"]), row["calendar_version"]) if row else (SchoolCalendar(), 0)


def new_row(event: ScheduleRequested, correlation: UUID | None) -> DictRow:
    """Make the row of a requested schedule, without its next run."""
    asked = event.model_dump(mode="json", include={"rule", "payload"})
    return event.model_dump(exclude={"rule", "payload"}) | asked | {"state": "active", "correlation_id": correlation}


async def register(tx: UnitOfWork, event: ScheduleRequested, correlation: UUID | None = None) -> DictRow | None:
    """Insert a requested schedule with its first run; None if it is known already."""
    school, version = await calendar_of_school(tx, event.school_id)
    row = new_row(event, correlation) | {"calendar_version": version}
    return await tx.row(INSERT_SCHEDULE, statement_values(row | compute_next_due(row, event.requested_at, school)))


def statement_values(row: DictRow) -> DictRow:
    """Return a row as parameters of a statement."""
    return row | {name: Jsonb(row[name]) for name in ("rule", "payload", "wish") if row.get(name) is not None}


async def update(tx: UnitOfWork, row: DictRow) -> DictRow:
    """Write a locked row and publish its change."""
    found = await tx.row(UPDATE_SCHEDULE, statement_values(row))
    assert found is not None
    if found["rule"] is not None:
        publish_change(tx, found)
    return found


def publish_change(tx: UnitOfWork, row: DictRow) -> None:
    """Publish the state of a schedule."""
    tx.emit(
        ScheduleChanged(
            schedule_id=row["schedule_id"],
            school_id=row["school_id"],
            emits=row["emits"],
            state=row["state"],
            version=row["version"],
            timezone=row["timezone"],
            next_run=row["due_at"] if row["state"] == "active" else None,
            changed_at=row["changed_at"],
        )
    )


async def end_task(tx: UnitOfWork, row: DictRow, state: Any, error: str | None = None) -> None:
    """End the task of a single run that will not take place."""
    task = (row["payload"] or {}).get("task_id")
    if task is not None:
        await track(tx, UUID(task), school_id=row["school_id"], kind=SEND_TASK, state=state, error=error)


async def recompute_outdated(tx: UnitOfWork) -> int:
    """Recompute schedules whose next run was computed with an older calendar; returns their number.

    It counts from the last run or the last completed occurrence: a run that the change moves into the past is late, not
    lost.
    """
    moment = await database_now(tx)
    rows = await tx.rows(LOCK_OUTDATED_SCHEDULES, {"now": moment})
    for row in rows:
        school, version = await calendar_of_school(tx, row["school_id"])
        since = row["last_due_at"] or row["requested_at"] or moment
        await update(tx, row | {"calendar_version": version} | recompute_after_calendar_change(row, since, school))
    return len(rows)


async def is_active(tx: UnitOfWork, school: UUID | None) -> bool:
    """Whether a school is active; the group and a school that is not known yet are."""
    row = await tx.row(SELECT_ACTIVE, {"school": school})
    return row is None or bool(row["active"])


async def follow_zone(tx: UnitOfWork) -> bool:
    """Recompute some schedules of a school whose timezone has changed; False if there is none.

    A schedule in the zone that the school had moves with it: each local day has its run once, late rather than never.
    """
    moment = await database_now(tx)
    moved = await tx.row(SELECT_MOVED_SCHOOL)
    if moved is None:
        return False
    school, version = await calendar_of_school(tx, moved["school_id"])
    rows = await tx.rows(LOCK_SCHEDULES_OF_ZONE, moved | {"now": moment})
    for row in rows:
        since = same_local_time(row["last_due_at"], moved["zone_followed"], moved["timezone"]) or row["requested_at"]
        changed = row | {"timezone": moved["timezone"], "calendar_version": version}
        await update(tx, changed | recompute_after_calendar_change(changed, since or moment, school))
    if not rows:
        await tx.execute(FOLLOW_ZONE, moved)
    return True


def is_repeating(row: DictRow) -> bool:
    """Whether a schedule can run more than once."""
    return rule_of(row).kind != "once"

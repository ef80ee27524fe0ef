"""The schedules of system jobs: a periodic task creates and updates their rows. Each id follows from job and school."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID, uuid5

from scheduler import reads, store
from scheduler.next_due import compute_next_due
from scheduler.reads import Armed
from shared.errors import RuleRefused
from shared.events import FilesCleanupDue, ReportsCleanupDue, ReportsMonthlyDue, TasksExpiryDue
from shared.events.schedule_rules import CatchUp, CronRule
from shared.recurrence import SchoolCalendar, zone_of
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

APART = dt.timedelta(hours=50)
"""The most by which a run moves: two zones differ by 26 hours, two times of a day by 24."""
NAMESPACE = UUID("5c0a1e5c-0000-5000-8000-5c4ed01e0001")


@dataclass(frozen=True, slots=True)
class SystemJob:
    """A job: the event of its runs, their time and days (of cron), what to do with missed runs, how late one may be."""

    emits: str
    time: dt.time
    days: str
    catch_up: CatchUp
    max_age: dt.timedelta

    def id(self, school: UUID | None) -> UUID:
        """Return the id of its schedule for a school; it is the same in each replica."""
        return uuid5(NAMESPACE, f"{self.emits}:{school or ''}")

    def rule(self, school: UUID | None, window: int) -> CronRule:
        """Return its rule. Each school has a second of its own in the window, so that not all run at once."""
        offset = self.id(school).int % window if school else 0
        at = dt.datetime.combine(dt.date.min, self.time) + dt.timedelta(seconds=offset)
        return CronRule(expression=f"{at.minute} {at.hour} {self.days}", seconds=str(at.second))


DAILY = (
    SystemJob(FilesCleanupDue.topic, dt.time(3, 10), "* * *", "once", dt.timedelta(hours=20)),
    SystemJob(ReportsCleanupDue.topic, dt.time(3, 40), "* * *", "once", dt.timedelta(hours=20)),
    SystemJob(TasksExpiryDue.topic, dt.time(4, 10), "* * *", "once", dt.timedelta(hours=20)),
)
"""Daily jobs of the group, in UTC."""
MONTHLY = SystemJob(ReportsMonthlyDue.topic, dt.time(5), "1 * *", "all", dt.timedelta(days=100))
"""Monthly job of each school, on the first from 05:00 on, for the month before. A missed month is done later."""

# Create the schedule of a job, or update it if its rule or timezone has changed. Another replica may do the same.
UPSERT_SYSTEM_SCHEDULE = """
INSERT INTO schedule AS s (schedule_id, school_id, emits, state, rule, timezone, catch_up, max_age_seconds, payload,
                           requested_at, due_at)
VALUES (%(schedule_id)s, %(school_id)s, %(emits)s, 'active', %(rule)s, %(timezone)s, %(catch_up)s,
        %(max_age_seconds)s, %(payload)s, clock_timestamp(), %(due_at)s)
ON CONFLICT (schedule_id) DO UPDATE SET rule = excluded.rule, timezone = excluded.timezone, due_at = excluded.due_at,
    state = CASE WHEN s.state = 'paused' THEN 'paused' ELSE 'active' END, version = s.version + 1,
    changed_at = clock_timestamp()
WHERE s.rule <> excluded.rule OR s.timezone <> excluded.timezone OR s.state = 'cancelled'
RETURNING *
"""
# Cancel the schedules of a job for schools that are no longer active.
CANCEL_RETIRED = """
UPDATE schedule s SET state = 'cancelled', due_at = NULL, version = version + 1, changed_at = clock_timestamp()
WHERE s.emits = %(emits)s AND s.state = 'active'
  AND NOT EXISTS (SELECT FROM school c WHERE c.school_id = s.school_id AND c.active)
RETURNING *
"""


async def maintain(transactions: UnitOfWorkFactory, window: int) -> int:
    """Create missing schedules, update changed ones, and cancel those of closed schools; returns the changes.

    `window`: seconds over which the runs of the schools are spread.
    """
    async with transactions.begin() as tx:
        emits = [job.emits for job in (*DAILY, MONTHLY)]
        have = {each.schedule_id: each for each in await reads.FIND_ARMED.all(tx, topics=emits)}
        wanted: list[tuple[SystemJob, UUID | None, str]] = [(job, None, "UTC") for job in DAILY]
        wanted += [(MONTHLY, each.school_id, each.timezone) for each in await reads.LIST_ZONES.all(tx)]
        moment = await store.database_now(tx)
        kept = [
            await _keep(tx, job, school, timezone, job.rule(school, window), moment, have)
            for job, school, timezone in wanted
        ]
        for row in await tx.rows(CANCEL_RETIRED, {"emits": MONTHLY.emits}):
            store.publish_change(tx, row)
    return sum(kept)


async def _keep(
    tx: UnitOfWork,
    job: SystemJob,
    school: UUID | None,
    timezone: str,
    cron: CronRule,
    moment: dt.datetime,
    have: dict[UUID, Armed],
) -> int:
    """Create or update the schedule of one job; returns 1 if it has changed, otherwise 0."""
    schedule = job.id(school)
    try:
        zone_of(timezone)
    except RuleRefused:
        timezone = "UTC"  # an unknown timezone must not stop the other schedules
    rule = cron.model_dump(mode="json")
    found = have.get(schedule)
    if found and found.rule == rule and found.timezone == timezone and found.state != "cancelled":
        return 0
    row = {
        "schedule_id": schedule,
        "school_id": school,
        "emits": job.emits,
        "rule": rule,
        "timezone": timezone,
        "catch_up": job.catch_up,
        "max_age_seconds": int(job.max_age.total_seconds()),
        "payload": {},
    }
    moved = school is not None and found is not None and found.state != "cancelled"
    # The same run by the clocks of the other zone or at the other time, in the past too: after now, a month could be
    # skipped or come twice.
    since = found.due_at - APART if found and found.due_at and moved else moment
    due = compute_next_due(row, since, SchoolCalendar())["due_at"]
    written = await tx.row(UPSERT_SYSTEM_SCHEDULE, store.statement_values(row | {"due_at": due}))
    if written is not None:
        store.publish_change(tx, written)
    return int(written is not None)

"""The system's own schedules: rows like any others, made and kept by a sweep, each under an id that follows from it."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID, uuid5

from scheduler import reads, store
from scheduler.arming import armed
from scheduler.reads import Armed
from shared.errors import RuleRefused
from shared.events import FilesCleanupDue, ReportsCleanupDue, ReportsMonthlyDue, TasksExpiryDue
from shared.events.schedule_rules import CatchUp, CronRule
from shared.recurrence import SchoolCalendar, zone_of
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

NAMESPACE = UUID("5c0a1e5c-0000-5000-8000-5c4ed01e0001")


@dataclass(frozen=True, slots=True)
class Chore:
    """What is done, by which rule; how late it still makes sense, and what becomes of missed ticks."""

    emits: str
    expression: str
    catch_up: CatchUp
    max_age: dt.timedelta

    def id(self, school: UUID | None) -> UUID:
        """The same for the same chore of the same school, whichever replica makes the row."""
        return uuid5(NAMESPACE, f"{self.emits}:{school or ''}")


DAILY = (
    Chore(FilesCleanupDue.topic, "10 3 * * *", "once", dt.timedelta(hours=20)),
    Chore(ReportsCleanupDue.topic, "40 3 * * *", "once", dt.timedelta(hours=20)),
    Chore(TasksExpiryDue.topic, "10 4 * * *", "once", dt.timedelta(hours=20)),
)
"""Of the group, in UTC."""
MONTHLY = Chore(ReportsMonthlyDue.topic, "0 5 1 * *", "all", dt.timedelta(days=100))
"""Of each school, at five in the morning of the first, for the month that ended: a month is late, never left out."""

# One replica's row stays; a rule or timezone that has changed since is armed anew.
KEEP = """
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
RETIRE = """
UPDATE schedule s SET state = 'cancelled', due_at = NULL, version = version + 1, changed_at = clock_timestamp()
WHERE s.emits = %(emits)s AND s.state = 'active'
  AND NOT EXISTS (SELECT FROM school c WHERE c.school_id = s.school_id AND c.active)
RETURNING *
"""


async def maintain(transactions: UnitOfWorkFactory) -> int:
    """Make the rows that are missing, mend those that have changed, retire those of schools that ended."""
    async with transactions.begin() as tx:
        emits = [chore.emits for chore in (*DAILY, MONTHLY)]
        have = {each.schedule_id: each for each in await reads.FIND_ARMED.all(tx, topics=emits)}
        wanted: list[tuple[Chore, UUID | None, str]] = [(chore, None, "UTC") for chore in DAILY]
        wanted += [(MONTHLY, each.school_id, each.timezone) for each in await reads.LIST_ZONES.all(tx)]
        moment = await store.now(tx)
        kept = [await _keep(tx, chore, school, timezone, moment, have) for chore, school, timezone in wanted]
        for row in await tx.rows(RETIRE, {"emits": MONTHLY.emits}):
            store.tell(tx, row)
    return sum(kept)


async def _keep(
    tx: UnitOfWork,
    chore: Chore,
    school: UUID | None,
    timezone: str,
    moment: dt.datetime,
    have: dict[UUID, Armed],
) -> int:
    """Write one row where it is missing or another; 1 if so."""
    schedule = chore.id(school)
    try:
        zone_of(timezone)
    except RuleRefused:
        timezone = "UTC"  # a zone that this machine's database does not know must not stop the others
    rule = CronRule(expression=chore.expression).model_dump(mode="json")
    found = have.get(schedule)
    if found and found.rule == rule and found.timezone == timezone and found.state != "cancelled":
        return 0
    row = {
        "schedule_id": schedule,
        "school_id": school,
        "emits": chore.emits,
        "rule": rule,
        "timezone": timezone,
        "catch_up": chore.catch_up,
        "max_age_seconds": int(chore.max_age.total_seconds()),
        "payload": {},
    }
    due = armed(row, moment, SchoolCalendar())["due_at"]
    written = await tx.row(KEEP, store.written(row | {"due_at": due}))
    if written is not None:
        store.tell(tx, written)
    return int(written is not None)

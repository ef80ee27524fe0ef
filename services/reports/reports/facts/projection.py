"""Adds the facts of a batch of events. Each version is kept once, with its first offset, in whatever order it comes.

Every version is kept, not only the newest: a report as of an offset needs the versions of that moment.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from reports.facts import directory, notifications, records
from shared.events import (
    RECORDS,
    CalendarChanged,
    NotificationCompleted,
    NotificationRead,
    PersonChanged,
    SchoolChanged,
    StudentChanged,
)
from shared.events.records import RecordEvent
from shared.messaging.topology import stream_of
from shared.projections.projector import LoggedEvent
from shared.transactions.outbox import json_text
from shared.transactions.unit_of_work import UnitOfWork

EVENTS = (
    *(SchoolChanged, PersonChanged, StudentChanged, CalendarChanged),
    *RECORDS,
    *(NotificationCompleted, NotificationRead),
)
TABLES = (
    *("school_fact", "student_fact", "person_fact", "membership_fact", "school_position"),
    *("behavior_fact", "payment_fact", "absence_fact", "grade_fact", "remark_fact"),
    *("notification_fact", "read_fact"),
)

# Note the highest offset of a stream that says something about a school.
RAISE_POSITIONS = """
INSERT INTO school_position (school_id, stream, log_offset)
SELECT school_id, stream, max(log_offset)
FROM jsonb_to_recordset(%(rows)s) AS r(school_id uuid, stream text, log_offset bigint) GROUP BY 1, 2 ORDER BY 1, 2
ON CONFLICT (school_id, stream) DO UPDATE SET log_offset = greatest(school_position.log_offset, excluded.log_offset)
"""

E = TypeVar("E")


async def add_facts(facts: Sequence[LoggedEvent], tx: UnitOfWork) -> None:
    """Add what is new in these events."""
    await directory.add_schools(tx, _of(facts, SchoolChanged))
    await directory.add_people(tx, _of(facts, PersonChanged))
    await directory.add_students(tx, _of(facts, StudentChanged))
    for kind, statement in records.ADD_FACTS.items():
        await records.add_records(tx, statement, _of(facts, kind))
    await notifications.add_completed(tx, _of(facts, NotificationCompleted))
    await notifications.add_read(tx, _of(facts, NotificationRead))
    if positions := list(_positions(facts)):
        await tx.execute(RAISE_POSITIONS, {"rows": json_text(positions)})


def _of(facts: Iterable[LoggedEvent], kind: type[E]) -> list[tuple[E, LoggedEvent]]:
    return [(each.event, each) for each in facts if isinstance(each.event, kind)]


def _positions(facts: Iterable[LoggedEvent]) -> Iterable[dict[str, Any]]:
    for each in facts:
        event = each.event
        stream = stream_of(event.topic)
        if isinstance(event, PersonChanged):
            schools = {membership.school_id for membership in event.memberships}
        elif isinstance(event, (SchoolChanged, StudentChanged, RecordEvent, NotificationCompleted, NotificationRead)):
            schools = {event.school_id}
        else:
            continue
        for school in schools:
            yield {"school_id": school, "stream": stream, "log_offset": each.offset}

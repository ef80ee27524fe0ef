"""Facts about records: behaviour, payments, absences, grades, remarks."""

from collections.abc import Mapping, Sequence
from typing import Any

from reports.facts.rows import add_rows
from shared.events import AbsenceRecorded, BehaviorRecorded, GradeRecorded, PaymentRecorded, RemarkRecorded
from shared.events.records import RecordEvent
from shared.projections.projector import LoggedEvent
from shared.transactions.unit_of_work import UnitOfWork

# Add versions of the records of one kind; its own columns are in OWN.
ADD_RECORDS = """
INSERT INTO {table} AS f (record_id, version, log_offset, school_id, student_id, day, withdrawn, {names})
SELECT * FROM jsonb_to_recordset(%(rows)s) AS r(record_id uuid, version bigint, log_offset bigint, school_id uuid,
                                                student_id uuid, day date, withdrawn boolean, {columns})
ON CONFLICT (record_id, version) DO UPDATE SET log_offset = excluded.log_offset
WHERE excluded.log_offset < f.log_offset
"""
MONEY, DAYS = "amount numeric, discount numeric, currency text", "due_on date, paid_on date"
OWN: Mapping[type[RecordEvent], tuple[str, str]] = {
    BehaviorRecorded: ("behavior_fact", "category text, severity text, description text"),
    PaymentRecorded: ("payment_fact", f"status text, method text, {MONEY}, {DAYS}, purpose text, reference text"),
    AbsenceRecorded: ("absence_fact", "period text, status text, reason text"),
    GradeRecorded: ("grade_fact", "course text, term text, grade text, state text"),
    RemarkRecorded: ("remark_fact", "text text"),
}
"""Event → its table and the columns that only it has; the event has fields of the same names."""


def _names(columns: str) -> list[str]:
    return [column.split()[0] for column in columns.split(", ")]


ADD_FACTS = {
    kind: ADD_RECORDS.format(table=table, names=", ".join(_names(columns)), columns=columns)
    for kind, (table, columns) in OWN.items()
}


async def add_records(tx: UnitOfWork, statement: str, facts: Sequence[tuple[RecordEvent, LoggedEvent]]) -> None:
    """Add versions of records of one kind."""
    rows = [_row(event, each.offset) for event, each in facts]
    await add_rows(tx, statement, rows, "record_id", "version")


def _row(event: RecordEvent, offset: int) -> dict[str, Any]:
    return event.model_dump(mode="json") | {"log_offset": offset, "day": _day(event)}


def _day(event: RecordEvent) -> str:
    """Return the day that a record counts for."""
    match event:
        case BehaviorRecorded():
            day = event.happened_on
        case PaymentRecorded():
            first, second = (event.due_on, event.paid_on) if event.status == "due" else (event.paid_on, event.due_on)
            day = first or second or event.recorded_at.date()
        case AbsenceRecorded():
            day = event.day
        case GradeRecorded():
            day = event.given_on
        case RemarkRecorded():
            day = event.noted_on
        case _:
            raise TypeError(f"{event.topic} is no record that a report knows")
    return day.isoformat()

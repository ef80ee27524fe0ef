"""Answers about records, and the statement that selects them."""

import datetime as dt
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Date, Uuid
from sqlmodel import Field, col, select, tuple_

from gateway.tables import GuardianshipRow, RecordRow, RecordShown
from shared.persistence.query import Query, given, showing


class Record(RecordShown):
    """A record of a student; `version` is its ETag. A withdrawn record is still listed and marked."""

    id: UUID
    day: dt.date = Field(exclude=True)  # where the next page goes on


Kind = TypeVar("Kind", bound=Record)

IN_CUSTODY = select(GuardianshipRow.student_id).where(
    col(GuardianshipRow.school_id) == given("school"),
    GuardianshipRow.guardian_id == given("custody"),
    col(GuardianshipRow.custody),
)
BILLED = select(GuardianshipRow.student_id).where(
    col(GuardianshipRow.school_id) == given("school"),
    GuardianshipRow.guardian_id == given("billing"),
    col(GuardianshipRow.billing),
)
CHOICES = {
    "id": col(RecordRow.record_id) == given("id"),
    "student": col(RecordRow.student_id) == given("student"),
    "status": col(RecordRow.status) == given("status"),
    "since": col(RecordRow.day) >= given("since"),
    "until": col(RecordRow.day) <= given("until"),
    "withdrawn": col(RecordRow.withdrawn) == given("withdrawn"),
    "custody": col(RecordRow.student_id).in_(IN_CUSTODY),
    "billing": col(RecordRow.student_id).in_(BILLED),
    "unread": col(RecordRow.status).is_distinct_from(given("unread")),
    "self": col(RecordRow.student_id) == given("self"),
    "after_day": tuple_(RecordRow.day, RecordRow.record_id) < tuple_(given("after_day", Date), given("after_id", Uuid)),
}


def list_records(answer: type[Kind]) -> Query[Kind]:
    """Select records of a kind as its answers, the newest days first."""
    statement = (
        showing(answer, RecordRow, id=RecordRow.record_id)
        .where(col(RecordRow.school_id) == given("school"), col(RecordRow.kind) == given("kind"))
        .order_by(col(RecordRow.day).desc(), col(RecordRow.record_id).desc())
        .limit(given("limit"))
    )
    return Query(answer, statement, **CHOICES)

"""Requesting a report: task and outbox row in one commit; the report service makes it."""

import datetime as dt
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from uuid_utils.compat import uuid7

from gateway.http.idempotency import answered
from gateway.problems import Problem
from gateway.reports.schemas import FORMATS, ReportIn, days_of
from gateway.security.caller import Caller
from shared.events import ReportRequested
from shared.events.reports import REPORT_TASK
from shared.transactions.unit_of_work import UnitOfWork

# Find what a request is checked against and what its report must not be older than.
SELECT_SCHOOL = "SELECT timezone, directory_version FROM school WHERE school_id = %(school)s AND active"
# Find the newest records of a school: what was committed last arrives last.
SELECT_NEWEST_RECORDS = """
SELECT record_id, version FROM record WHERE school_id = %(school)s ORDER BY changed_at DESC LIMIT 20
"""
SELECT_STUDENT = "SELECT FROM student WHERE school_id = %(school)s AND student_id = %(student)s"
SELECT_GRADE = "SELECT FROM student WHERE school_id = %(school)s AND grade = %(grade)s LIMIT 1"
# Open the task of a report.
OPEN_TASK = """
INSERT INTO task (task_id, school_id, kind, state, created_by)
VALUES (%(task)s, %(school)s, %(kind)s, 'accepted', %(person)s)
"""


async def request_report(
    tx: UnitOfWork, caller: Caller, school: UUID, asked: ReportIn, key: str | None
) -> dict[str, Any]:
    """Commit a request; returns the answer, the same for the same key and request. 404 and 422 say what is wrong."""
    report = uuid7()
    # The task of a report has the report's id, so that a report can be asked for before its service knows it.
    answer = {"id": str(report), "report_id": str(report), "task_id": str(report), "state": "accepted"}
    before = await answered(tx, caller, school, key, ["reports", asked.model_dump(mode="json")], answer)
    if before is not None:
        return before
    values = {"school": school, "student": asked.student, "grade": asked.grade}
    row = await tx.row(SELECT_SCHOOL, values)
    if row is None:
        raise Problem(404, "unknown_school")
    starts, ends = days_of(asked.period)
    now = dt.datetime.now(dt.UTC)
    if starts > now.astimezone(ZoneInfo(row["timezone"])).date():
        reason = "has not begun yet at this school"
        raise Problem(422, "invalid", errors=[{"loc": ["body", "period"], "code": "future", "message": reason}])
    if asked.student is not None and await tx.row(SELECT_STUDENT, values) is None:
        raise Problem(422, "unknown_people", "This is no student of this school.", people=[str(asked.student)])
    if asked.grade is not None and await tx.row(SELECT_GRADE, values) is None:
        reason = "has no student at this school"
        raise Problem(422, "invalid", errors=[{"loc": ["body", "grade"], "code": "unknown", "message": reason}])
    await tx.execute(OPEN_TASK, values | {"task": report, "kind": REPORT_TASK, "person": caller.person})
    newest = await tx.rows(SELECT_NEWEST_RECORDS, values)
    tx.emit(
        ReportRequested(
            report_id=report,
            school_id=school,
            task_id=report,
            kind=asked.kind,
            student_id=asked.student,
            grade=asked.grade,
            starts=starts,
            ends=ends,
            formats=tuple(asked.formats or FORMATS[asked.kind][:2]),
            language=asked.language,
            force=asked.force,
            replaces=asked.replaces,
            reason=asked.reason,
            to_share=asked.to_share,
            directory_version=row["directory_version"],
            records={each["record_id"]: each["version"] for each in newest},
            requested_by=caller.person,
            requested_at=now,
        )
    )
    return answer

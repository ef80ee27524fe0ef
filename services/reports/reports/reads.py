"""Queries on reports, for the routes."""

import datetime as dt
from uuid import UUID

from sqlmodel import SQLModel, col

from reports.tables import ReportFileRow, ReportFileShown, ReportRow, ReportShown
from shared.persistence.query import Query, given, showing


class Report(ReportShown):
    """A report and its state; `ends` is the first day after its period."""

    report_id: UUID
    same_as: UUID | None
    ready_at: dt.datetime | None


class ReportFile(ReportFileShown):
    """A file of a report; `blob` is its key in the store."""

    report_id: UUID
    blob: str


class ReportPage(SQLModel):
    """Newest first; pass `next` as `after` to go on."""

    items: list[Report]
    next: UUID | None


LIST_REPORTS = Query(
    Report,
    showing(Report, ReportRow)
    .where(col(ReportRow.school_id) == given("school"))
    .order_by(col(ReportRow.report_id).desc())
    .limit(given("limit")),
    id=col(ReportRow.report_id) == given("id"),
    kind=col(ReportRow.kind) == given("kind"),
    student=col(ReportRow.student_id) == given("student"),
    after=col(ReportRow.report_id) < given("after"),
)
"""Reports of a school, newest first."""
FIND_FILES = Query(
    ReportFile,
    showing(ReportFile, ReportFileRow)
    .where(col(ReportFileRow.school_id) == given("school"), col(ReportFileRow.report_id) == given("report"))
    .order_by(col(ReportFileRow.format)),
)
"""The files of a report."""

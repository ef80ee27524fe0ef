"""Reports: requested, ready, failed, removed after their time."""

import datetime as dt
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.events.event import Event

ReportKind = Literal["monthly", "student_progress", "grade_progress"]
ReportFormat = Literal["pdf", "xlsx", "csv", "zip"]
ReportLanguage = Literal["en", "de", "fr", "ar"]

REPORT_TASK = "report.make"
"""The kind of the task that makes a report."""


class ReportEvent(Event):
    """A fact about one report."""

    report_id: UUID
    school_id: UUID
    task_id: UUID | None = None

    @property
    def subject(self) -> str:
        return str(self.report_id)


class ReportRequested(ReportEvent):
    """A person requested a report; the gateway committed the request.

    The report covers the days from `starts` up to and without `ends`, in the school's timezone. It is made once the
    report service has the directory up to `directory_version` and the versions of the records in `records`, so that it
    has everything that the requester had committed before. With `force`, an equal report is made again. `replaces`
    names the report that this one corrects. `to_share`: small counts and everything about single people are left out of
    a monthly report. `grade` names the grade whose students' progress is reported, each in a
    file of their own and all in one.
    """

    topic: ClassVar[str] = "report.requested"

    kind: ReportKind
    student_id: UUID | None = None
    grade: str | None = None
    starts: dt.date
    ends: dt.date
    formats: tuple[ReportFormat, ...] = ("pdf", "xlsx")
    language: ReportLanguage = "en"
    force: bool = False
    replaces: UUID | None = None
    reason: str = ""
    to_share: bool = False
    directory_version: int = 0
    records: dict[UUID, int] = Field(default_factory=dict)
    requested_by: UUID | None = None
    requested_at: dt.datetime


class ReportReady(ReportEvent):
    """A report is ready. `name` and `period` name the report without personal data; `student_id` names the student.

    `requested_by` is None for a scheduled report. `period` is a text ("November 2026"), empty for a report without one.
    """

    topic: ClassVar[str] = "report.ready"

    name: str
    period: str = ""
    student_id: UUID | None = None
    requested_by: UUID | None = None
    directory_version: int = 0
    ready_at: dt.datetime


class ReportFailed(ReportEvent):
    """A report was not made: it failed for good, or was cancelled. Its task says why."""

    topic: ClassVar[str] = "report.failed"
    log_only: ClassVar[bool] = True

    cancelled: bool = False
    failed_at: dt.datetime


class ReportsCleaned(Event):
    """Reports whose retention time has ended were removed, with their files."""

    topic: ClassVar[str] = "reports.cleaned"
    log_only: ClassVar[bool] = True

    task_id: UUID
    removed: int
    cleaned_at: dt.datetime

    @property
    def subject(self) -> str:
        return str(self.task_id)

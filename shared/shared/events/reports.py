"""Reports: ready to be read."""

import datetime as dt
from typing import ClassVar
from uuid import UUID

from shared.events.event import Event


class ReportReady(Event):
    """A report is ready. `name` and `period` name the report without personal data; `student_id` names the student.

    `requested_by` is None for a scheduled report. `period` is a text ("November 2026"), empty for a report without one.
    """

    topic: ClassVar[str] = "report.ready"
    awaited_from: ClassVar[str | None] = "reports"

    report_id: UUID
    school_id: UUID
    task_id: UUID | None = None
    name: str
    period: str = ""
    student_id: UUID | None = None
    requested_by: UUID | None = None
    directory_version: int = 0
    ready_at: dt.datetime

    @property
    def subject(self) -> str:
        return str(self.report_id)

"""Reports: made, and ready to be looked at."""

import datetime as dt
from typing import ClassVar
from uuid import UUID

from shared.events.event import Event


class ReportReady(Event):
    """A report was made. `name` and `period` are what it is called and name nobody; `student_id` does.

    `requested_by` is None for one that time triggered. `period` is written out ("November 2026"), empty without one.
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

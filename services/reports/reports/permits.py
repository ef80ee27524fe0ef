"""The report service's own permits."""

import datetime as dt
from typing import ClassVar
from uuid import UUID

from shared.transactions.outbox import WorkPermit

REPORTS_LANE = "reports"
CLEANUP_LANE = "cleanup"


class ReportPermit(WorkPermit):
    """A report may be made."""

    name: ClassVar[str] = "reports.make"
    task_id: UUID

    @property
    def subject(self) -> str:
        return str(self.task_id)


class CleanupPermit(WorkPermit):
    """Reports that were requested before `before` may be removed."""

    name: ClassVar[str] = "reports.cleanup"
    concurrency: ClassVar[int] = 1
    task_id: UUID
    before: dt.datetime

    @property
    def subject(self) -> str:
        return str(self.task_id)

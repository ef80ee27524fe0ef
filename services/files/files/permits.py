"""The file service's own permits: they carry ids only; the rows decide what there is to do."""

from typing import ClassVar
from uuid import UUID

from shared.transactions.outbox import WorkPermit

PROCESSING_LANE = "processing"
CLEANING_LANE = "cleaning"


class ProcessPermit(WorkPermit):
    """A file may be read. A process reads two at a time: each needs a core and up to 1.2 GB."""

    name: ClassVar[str] = "files.process"
    concurrency: ClassVar[int] = 2
    task_id: UUID

    @property
    def subject(self) -> str:
        return str(self.task_id)


class CleanPermit(WorkPermit):
    """Deleted files whose time is over may be purged."""

    name: ClassVar[str] = "files.clean"
    concurrency: ClassVar[int] = 1
    task_id: UUID

    @property
    def subject(self) -> str:
        return str(self.task_id)

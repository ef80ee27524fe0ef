"""The file service's own permits: they carry ids only; the rows decide what there is to do."""

from typing import ClassVar
from uuid import UUID

from shared.transactions.outbox import WorkPermit

LANE = "processing"


class TaskPermit(WorkPermit):
    """A task may be worked on: a file is read, or deleted files are purged.

    A process works on two at a time, because each reading needs a core and up to 1.2 GB.
    """

    name: ClassVar[str] = "files.task"
    concurrency: ClassVar[int] = 2
    task_id: UUID

    @property
    def subject(self) -> str:
        return str(self.task_id)

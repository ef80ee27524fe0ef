"""The permit of a replay."""

from typing import ClassVar
from uuid import UUID

from shared.transactions.outbox import WorkPermit

LANE = "replay"


class ReplayPermit(WorkPermit):
    """A replay may run."""

    name: ClassVar[str] = "replay"
    concurrency: ClassVar[int] = 1
    task_id: UUID

    @property
    def subject(self) -> str:
        return str(self.task_id)

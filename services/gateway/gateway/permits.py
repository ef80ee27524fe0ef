"""The gateway's own permits."""

from typing import ClassVar
from uuid import UUID

from shared.transactions.outbox import WorkPermit

IMPORT_LANE = "imports"


class ImportPermit(WorkPermit):
    """A roster that was uploaded may be imported."""

    name: ClassVar[str] = "gateway.import"
    task_id: UUID

    @property
    def subject(self) -> str:
        return str(self.task_id)

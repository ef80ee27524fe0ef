"""Consumers: what operators order of the processes that handle messages."""

import datetime as dt
from typing import ClassVar, Literal
from uuid import UUID

from shared.events.event import Event

Order = Literal["pause", "resume", "drain"]


class ConsumersOrdered(Event):
    """An operator ordered a service to pause or resume a queue in all its processes, or to drain one of them.

    `target` is the name of the queue or of the process. The newest order about a target holds, also after a restart.
    """

    topic: ClassVar[str] = "consumers.ordered"

    service: str
    target: str
    order: Order
    reason: str
    ordered_by: UUID | None = None
    ordered_at: dt.datetime

    @property
    def subject(self) -> str:
        return self.target

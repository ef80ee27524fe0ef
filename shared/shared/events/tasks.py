"""Tasks: state and progress of requested work."""

import datetime as dt
from typing import Any, ClassVar, Literal
from uuid import UUID

from shared.events.event import Event, StateEvent

TaskState = Literal["accepted", "queued", "running", "retrying", "succeeded", "failed", "cancelled"]
FINAL: frozenset[TaskState] = frozenset({"succeeded", "failed", "cancelled"})


class TaskChanged(StateEvent):
    """The state of a task changed. A retry raises `epoch`; each change within an epoch raises `version`."""

    topic: ClassVar[str] = "task.changed"

    task_id: UUID
    school_id: UUID | None = None
    kind: str
    state: TaskState
    epoch: int = 1
    version: int = 0
    done: int = 0
    total: int = 0
    result: dict[str, Any] | None = None
    error: str | None = None
    changed_at: dt.datetime

    @property
    def subject(self) -> str:
        return str(self.task_id)

    @property
    def order(self) -> tuple[int, int]:
        return (self.epoch, self.version)


class TaskCancelRequested(Event):
    """A person asked to stop a task. The service that owns the task's kind decides whether it can still be stopped.

    The event may arrive before the request of the task. The owner then stores a tombstone (`task_status.has_ended`).
    """

    topic: ClassVar[str] = "task.cancel_requested"

    task_id: UUID
    school_id: UUID | None = None
    kind: str
    epoch: int = 1
    """The epoch that the requester saw; a retry that started later is not cancelled."""
    requested_by: UUID | None = None
    requested_at: dt.datetime

    @property
    def subject(self) -> str:
        return str(self.task_id)

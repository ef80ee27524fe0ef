"""Tasks: what was asked for, how far it is, how it ended."""

import datetime as dt
from typing import Any, ClassVar, Literal
from uuid import UUID

from shared.events.event import Event, StateEvent

TaskState = Literal["accepted", "queued", "running", "retrying", "succeeded", "failed", "cancelled"]
FINAL: frozenset[TaskState] = frozenset({"succeeded", "failed", "cancelled"})


class TaskChanged(StateEvent):
    """A task moved on. Whole state; a retry raises the epoch, every change within it the sequence."""

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
    """Somebody wants a task to stop; the owner of its kind decides whether there is still something to stop.

    It may overtake the intent that it is about: the owner then leaves a tombstone (see `tracking.ended`).
    """

    topic: ClassVar[str] = "task.cancel_requested"

    task_id: UUID
    school_id: UUID | None = None
    kind: str
    epoch: int = 1
    """Of the task as its asker saw it: a retry that has begun since is not meant."""
    requested_by: UUID | None = None
    requested_at: dt.datetime

    @property
    def subject(self) -> str:
        return str(self.task_id)

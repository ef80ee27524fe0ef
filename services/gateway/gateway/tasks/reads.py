"""Answers about tasks and workers, and the statements that select them."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel
from sqlmodel import col, func

from gateway.tables import TaskRow, TaskShown, WorkerShown
from shared.persistence.query import Query, given, showing

WorkerState = Literal["live", "stale", "gone"]


class Progress(BaseModel):
    """The progress of a task, in its own unit."""

    done: int
    total: int


class Task(TaskShown):
    """One task."""

    id: UUID
    progress: Progress


class TaskPage(BaseModel):
    """Newest first; pass `next` as `after` to go on."""

    items: list[Task]
    next: UUID | None


class Worker(WorkerShown):
    """A process that works: `live`, `stale` after three missed heartbeats, `gone` after twelve.

    The database's time of arrival decides. What changes with each heartbeat (`in_flight`, `handled`, `failed`, `load`,
    `memory_bytes`) is in `facts` only while it is live: nothing old is shown as current.
    """

    state: WorkerState
    stale: bool


class Workers(BaseModel):
    """All workers, by service and name."""

    items: list[Worker]


PROGRESS = func.jsonb_build_object("done", TaskRow.done, "total", TaskRow.total)

READ_TASK = Query(
    Task, showing(Task, TaskRow, id=TaskRow.task_id, progress=PROGRESS).where(col(TaskRow.task_id) == given("id"))
)
LIST_TASKS = Query(
    Task,
    showing(Task, TaskRow, id=TaskRow.task_id, progress=PROGRESS)
    .order_by(col(TaskRow.task_id).desc())
    .limit(given("limit")),
    school=col(TaskRow.school_id) == given("school"),
    state=col(TaskRow.state) == given("state"),
    kind=col(TaskRow.kind) == given("kind"),
    after=col(TaskRow.task_id) < given("after"),
)
"""Newest first."""

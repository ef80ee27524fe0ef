"""Answers about tasks and workers, and the statements that select them."""

import datetime as dt
from typing import Literal, get_args
from uuid import UUID

from pydantic import BaseModel
from sqlmodel import DateTime, Integer, Text, Uuid, case, cast, col, func, literal_column, select, tuple_

from gateway.tables import TaskRow, TaskShown, WorkerShown
from shared.events import FINAL, TaskState
from shared.persistence.query import Query, given, showing

WorkerState = Literal["live", "stale", "gone"]


class Progress(BaseModel):
    """The progress of a task, in its own unit."""

    done: int
    total: int


class Task(TaskShown):
    """One task. Its result and its error are dropped at `result_until`; the task itself stays longer."""

    id: UUID
    progress: Progress
    result_until: dt.datetime | None


class TaskPlace(BaseModel):
    """The place of a task in a list."""

    id: UUID


class TaskPage(BaseModel):
    """Newest first; pass `next` as `after` to go on.

    A text is looked for in `searched` tasks at a time. A page may then be empty and still have a `next`.
    """

    items: list[Task]
    next: UUID | None
    searched: int | None = None


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
ENDED = col(TaskRow.state).in_([literal_column(f"'{state}'") for state in sorted(FINAL)])
OPEN = col(TaskRow.state).in_([literal_column(f"'{state}'") for state in sorted(set(get_args(TaskState)) - FINAL)])
RESULT_UNTIL = case(
    (
        ENDED,
        col(TaskRow.changed_at) + func.make_interval(0, 0, 0, given("kept_days", Integer)),
    ),
    else_=None,
)
SHOWN = showing(Task, TaskRow, id=TaskRow.task_id, progress=PROGRESS, result_until=RESULT_UNTIL)
PLACE = tuple_(col(TaskRow.created_at), col(TaskRow.task_id))

READ_TASK = Query(Task, SHOWN.where(col(TaskRow.task_id) == given("id")))
NEWEST = (col(TaskRow.created_at).desc(), col(TaskRow.task_id).desc())
CONDITIONS = {
    "school": col(TaskRow.school_id) == given("school"),
    "state": col(TaskRow.state) == given("state"),
    "active": OPEN,
    "ended": ENDED,
    "kind": col(TaskRow.kind) == given("kind"),
    "person": col(TaskRow.created_by) == given("person"),
    "since": col(TaskRow.created_at) >= given("since"),
    "until": col(TaskRow.created_at) < given("until"),
    "after": tuple_(given("after_at", DateTime(timezone=True)), given("after", Uuid)) > PLACE,
}
LIST_TASKS = Query(Task, SHOWN.order_by(*NEWEST).limit(given("limit")), **CONDITIONS)
"""Newest first."""
LIST_PLACES = Query(
    TaskPlace,
    showing(TaskPlace, TaskRow, id=TaskRow.task_id).order_by(*NEWEST).limit(given("limit")),
    **CONDITIONS,
)
"""The same tasks by their ids only."""
# Materialized: PostgreSQL would look for the newest ones in all tasks, and at the ids only then.
THESE = SHOWN.where(col(TaskRow.task_id) == func.any(given("ids"))).cte("these").prefix_with("MATERIALIZED")
SAYS = func.lower(func.concat_ws(" ", THESE.c.kind, THESE.c.error, cast(THESE.c.result, Text)))
FIND_TEXT = Query(
    Task,
    select(*THESE.c)
    .where(func.strpos(SAYS, func.lower(given("text", Text))) > 0)
    .order_by(THESE.c.created_at.desc(), THESE.c.id.desc())
    .limit(given("limit")),
)
"""Those of some tasks that say a text, the newest first."""

"""Answers about tasks and workers, and the statements that select them."""

import datetime as dt
from typing import Literal, get_args
from uuid import UUID

from pydantic import BaseModel
from sqlmodel import DateTime, Integer, Text, Uuid, case, cast, col, func, literal_column, or_, select, tuple_

from gateway.tables import TaskRow, TaskShown, WorkerShown
from shared.events import FINAL, TaskState
from shared.persistence.query import Query, Statement, given, showing

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
    """The place of a task in a list, from 1 on, and whether it says the text that is looked for."""

    id: UUID
    place: int
    says: bool


class TaskPage(BaseModel):
    """Newest first; pass `next` as `after` to go on.

    A text is looked for in `searched` tasks at a time. A page may then be empty and still have a `next`.
    """

    items: list[Task]
    next: UUID | None
    searched: int | None = None


class Worker(WorkerShown):
    """A process that works: `live`, `stale` after three missed heartbeats, `gone` after twelve.

    The database's time of arrival decides. `facts` of a live one say what it does: messages in flight, handled and
    failed since its start and a second, `load`, `memory_bytes`, and for each of its `queues` how many it `holds` of
    `at_most`. Of others they only say which process it was: nothing old is shown as current.
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
    "ids": col(TaskRow.task_id) == func.any(given("ids")),
    "kind": col(TaskRow.kind) == given("kind"),
    "person": col(TaskRow.created_by) == given("person"),
    "since": col(TaskRow.created_at) >= given("since"),
    "until": col(TaskRow.created_at) < given("until"),
    "after": tuple_(given("after_at", DateTime(timezone=True)), given("after", Uuid)) > PLACE,
}
LIST_TASKS = Query(Task, SHOWN.order_by(*NEWEST).limit(given("limit")), **CONDITIONS)
"""Newest first."""


def _those_that_say(these: Statement) -> Statement:
    searched = these.cte("searched")
    says = func.lower(func.concat_ws(" ", searched.c.kind, searched.c.error, cast(searched.c.result, Text)))
    newest = (searched.c.created_at.desc(), searched.c.id.desc())
    placed = select(
        searched.c.id,
        func.row_number().over(order_by=newest).label("place"),
        (func.strpos(says, func.lower(given("text", Text))) > 0).label("says"),
    ).subquery()
    end = func.least(select(func.count()).select_from(searched).scalar_subquery(), given("searched", Integer))
    found: Statement = select(*placed.c).where(or_(placed.c.says, placed.c.place >= end))
    return found.order_by(placed.c.place).limit(given("limit"))


SEARCHED = ("created_at", "kind", "error", "result")
FIND_TEXT = Query(
    TaskPlace,
    select(col(TaskRow.task_id).label("id"), *(getattr(TaskRow, name) for name in SEARCHED))
    .order_by(*NEWEST)
    .limit(given("searched", Integer) + 1),
    _those_that_say,
    **CONDITIONS,
)
"""Those of the newest tasks that say a text, and the last two that were looked at."""

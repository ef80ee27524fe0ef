"""Finds tasks by what they are, by when they began, and by a text."""

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import StringConstraints

from gateway.http.fields import Limit, Occurrence, Wanted
from gateway.tasks.reads import FIND_TEXT, LIST_TASKS, READ_TASK, TaskPage
from shared.events import TaskState
from shared.http.fields import NO_NUL
from shared.transactions.unit_of_work import UnitOfWork

SEARCHED = 2_000
"""Tasks in which one request looks for a text."""

# Find the task of a notification.
SELECT_TASK_OF_NOTIFICATION = "SELECT task_id FROM intent WHERE notification_id = %(id)s"
# Find out when the last task of the page before began.
SELECT_BEGINNING = "SELECT created_at FROM task WHERE task_id = %(id)s"

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=NO_NUL)]


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Which tasks are wanted; all that is given must apply."""

    state: TaskState | None = None
    active: Annotated[bool | None, Query(description="true: those that have not ended; false: those that have")] = None
    kind: Wanted = None
    person: Annotated[UUID | None, Query(description="who requested it")] = None
    since: Annotated[Occurrence | None, Query(alias="from", description="tasks that began at this time or later")] = (
        None
    )
    until: Annotated[Occurrence | None, Query(description="tasks that began before this time")] = None
    text: Text | None = None
    after: UUID | None = None
    limit: Limit = 50

    def conditions(self) -> dict[str, Any]:
        """The conditions of LIST_TASKS, without the school."""
        same = {name: getattr(self, name) for name in ("state", "kind", "person", "since", "until", "after")}
        return same | {"active": self.active or None, "ended": (self.active is False) or None}


async def find(tx: UnitOfWork, wanted: TaskFilter, school: UUID | None, kept_days: int) -> TaskPage:
    """Return a page of tasks, the newest first."""
    if wanted.text is not None:
        try:
            named = UUID(wanted.text)
        except ValueError:
            return await _search(tx, wanted, wanted.text, school, kept_days)
        return await _by_id(tx, named, school, kept_days)
    conditions = await _conditions(tx, wanted, school)
    if conditions is None:
        return TaskPage(items=[], next=None)
    found = await LIST_TASKS.all(tx, **conditions, kept_days=kept_days, limit=wanted.limit + 1)
    items = found[: wanted.limit]
    return TaskPage(items=items, next=items[-1].id if len(found) > wanted.limit else None)


async def _by_id(tx: UnitOfWork, named: UUID, school: UUID | None, kept_days: int) -> TaskPage:
    """Find a task by its own id or by its notification's, whatever the other filters say."""
    intent = await tx.row(SELECT_TASK_OF_NOTIFICATION, {"id": named})
    task = await READ_TASK.first(tx, id=intent["task_id"] if intent else named, kept_days=kept_days)
    return TaskPage(items=[task] if task and school in (None, task.school_id) else [], next=None, searched=1)


async def _search(tx: UnitOfWork, wanted: TaskFilter, text: str, school: UUID | None, kept_days: int) -> TaskPage:
    conditions = await _conditions(tx, wanted, school)
    if conditions is None:
        return TaskPage(items=[], next=None, searched=0)
    places = await FIND_TEXT.all(tx, **conditions, text=text, searched=SEARCHED, limit=wanted.limit + 3)
    last = next((each for each in reversed(places) if each.place <= SEARCHED), None)
    if last is None:
        return TaskPage(items=[], next=None, searched=0)
    more = places[-1].place > SEARCHED
    found = [each for each in places if each.says and each.place <= SEARCHED]
    if len(found) > wanted.limit:
        last, more = found[wanted.limit - 1], True
    ids = [each.id for each in found[: wanted.limit]]
    items = await LIST_TASKS.all(tx, ids=ids, kept_days=kept_days, limit=wanted.limit) if ids else []
    return TaskPage(items=items, next=last.id if more else None, searched=last.place)


async def _conditions(tx: UnitOfWork, wanted: TaskFilter, school: UUID | None) -> dict[str, Any] | None:
    """Return what the lists take; None when the page before ended with a task that was deleted since."""
    conditions = wanted.conditions() | {"school": school}
    if wanted.after is not None:
        last = await tx.row(SELECT_BEGINNING, {"id": wanted.after})
        if last is None:
            return None  # all that began before it is deleted, too
        conditions["after_at"] = last["created_at"]
    return conditions

"""Tasks of sends that have several parts, each with a task of its own: to several schools, or to a few people first."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from gateway.problems import Problem
from gateway.security.caller import Caller
from shared.events import TaskCancelRequested
from shared.transactions.unit_of_work import UnitOfWork

GROUP = "notification.group"
"""One part for each school."""
CANARY = "notification.canary"
"""A few people first, all others later. The task has the id of the first notification."""
KINDS = frozenset({GROUP, CANARY})
# Open the task of the whole send.
INSERT_PARENT_TASK = """
INSERT INTO task (task_id, school_id, kind, state, created_by)
VALUES (%(task)s, %(school)s, %(kind)s, 'accepted', %(person)s)
"""
# Move parent tasks on by the states of their children.
# The state of a parent is its children's: the last of them to end ends it.
UPDATE_PARENT_TASKS = """
UPDATE task p SET done = c.done, total = c.total, version = p.version + 1, changed_at = clock_timestamp(),
    state = CASE WHEN c.ended < c.n THEN CASE WHEN c.begun > 0 THEN 'running' ELSE 'accepted' END
                 WHEN c.failed > 0 THEN 'failed'
                 WHEN c.cancelled = c.n OR c.cancelled > 0 AND p.kind = 'notification.canary' THEN 'cancelled'
                 ELSE 'succeeded' END,
    result = jsonb_build_object(CASE p.kind WHEN 'notification.canary' THEN 'parts' ELSE 'schools' END, c.n,
                                'succeeded', c.succeeded, 'failed', c.failed, 'cancelled', c.cancelled),
    error = CASE WHEN c.ended = c.n AND c.failed > 0
                 THEN format('%%s of %%s %%s failed', c.failed, c.n,
                             CASE p.kind WHEN 'notification.canary' THEN 'parts' ELSE 'schools' END) END
FROM (
    SELECT t.parent_id, count(*) AS n, sum(t.done) AS done, sum(t.total) AS total,
        count(*) FILTER (WHERE t.state NOT IN ('accepted', 'queued')) AS begun,
        count(*) FILTER (WHERE t.state IN ('succeeded', 'failed', 'cancelled')) AS ended,
        count(*) FILTER (WHERE t.state = 'succeeded') AS succeeded,
        count(*) FILTER (WHERE t.state = 'failed') AS failed,
        count(*) FILTER (WHERE t.state = 'cancelled') AS cancelled
    FROM task t WHERE t.parent_id IN (
        SELECT x.parent_id FROM task x WHERE x.task_id = ANY(%(tasks)s::uuid[]) AND x.parent_id IS NOT NULL)
    GROUP BY t.parent_id
) c WHERE p.task_id = c.parent_id
"""
# Select whether a task is one part of a send to a few people first.
SELECT_IS_PART = """
SELECT FROM task t JOIN task p ON p.task_id = t.parent_id AND p.kind = 'notification.canary' WHERE t.task_id = %(id)s
"""
# Remember that a cancel of the other part of a send to a few people first was requested; returns it while it is open.
MARK_OTHER_PART = """
UPDATE task o SET cancel_requested_at = coalesce(o.cancel_requested_at, %(now)s)
FROM task t JOIN task p ON p.task_id = t.parent_id AND p.kind = 'notification.canary'
WHERE t.task_id = %(id)s AND o.parent_id = p.task_id AND o.task_id <> t.task_id
  AND o.state NOT IN ('succeeded', 'failed', 'cancelled')
RETURNING o.task_id, o.school_id, o.kind, o.epoch
"""


async def aggregate_tasks(tx: UnitOfWork, tasks: Sequence[str]) -> None:
    """Move the parents of these tasks on, by the states of all their children."""
    await tx.execute(UPDATE_PARENT_TASKS, {"tasks": list(tasks)})


async def check_audience_can_change(tx: UnitOfWork, task_id: UUID) -> None:
    """Refuse (409) for one part of a send to a few people first: together both parts mean each person once."""
    if await tx.row(SELECT_IS_PART, {"id": task_id}) is not None:
        raise Problem(409, "conflict", "A few people receive this first, all others later. Stop it and send it again.")


async def stop_other_part(tx: UnitOfWork, caller: Caller, task_id: UUID) -> bool:
    """Request that the other part of a send to a few people first stops; False where there is none, or it has ended."""
    now = dt.datetime.now(dt.UTC)
    rows = await tx.rows(MARK_OTHER_PART, {"id": task_id, "now": now})
    for row in rows:
        tx.emit(cancel_request(caller, row, now))
    return bool(rows)


def cancel_request(caller: Caller, task: Mapping[str, Any], now: dt.datetime) -> TaskCancelRequested:
    """Return the event that asks the owner of a task to cancel it; `task` is its row."""
    return TaskCancelRequested(
        task_id=task["task_id"],
        school_id=task["school_id"],
        kind=task["kind"],
        epoch=task["epoch"],
        requested_by=caller.person,
        requested_at=now,
    )

"""A send to several schools: one parent task, and a notification of its own for each, in one commit."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from uuid_utils.compat import uuid7

from gateway.http.idempotency import GROUP, answered
from gateway.http.opened_sends import open_send
from gateway.problems import Problem
from gateway.security.caller import Caller
from gateway.sends import audience_checks
from gateway.sends.commands import SendCommand, refuse_past, requested
from shared.transactions.unit_of_work import UnitOfWork

KIND = "notification.group"
# Select active schools by id or sourcedId.
SELECT_SCHOOLS = """
SELECT school_id, school_id::text AS id, sourced_id, directory_version, approval_above FROM school
WHERE active AND (school_id::text = ANY(%(names)s) OR sourced_id = ANY(%(names)s)) ORDER BY school_id
"""
# Open the task of the whole send.
INSERT_PARENT_TASK = """
INSERT INTO task (task_id, kind, state, created_by) VALUES (%(task)s, %(kind)s, 'accepted', %(person)s)
"""
# Move parent tasks on by the states of their children.
# The state of a parent is its children's: the last of them to end ends it.
UPDATE_PARENT_TASKS = """
UPDATE task p SET done = c.done, total = c.total, version = p.version + 1, changed_at = clock_timestamp(),
    state = CASE WHEN c.ended < c.n THEN CASE WHEN c.begun > 0 THEN 'running' ELSE 'accepted' END
                 WHEN c.failed > 0 THEN 'failed' WHEN c.cancelled = c.n THEN 'cancelled' ELSE 'succeeded' END,
    result = jsonb_build_object('schools', c.n, 'succeeded', c.succeeded, 'failed', c.failed,
                                'cancelled', c.cancelled),
    error = CASE WHEN c.ended = c.n AND c.failed > 0 THEN format('%%s of %%s schools failed', c.failed, c.n) END
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


async def request_group_send(
    tx: UnitOfWork, caller: Caller, names: Sequence[str], command: SendCommand, key: str | None
) -> dict[str, Any]:
    """Commit all intents; returns the answer, the same for the same key and request.

    `names` are ids or sourcedIds. 422 lists every school that is unknown; one without students in the grade is left out
    and named in the answer; if no school is left, 422. Schools that want a second person are 422 too.
    """
    found = await tx.rows(SELECT_SCHOOLS, {"names": list(names)})
    known = {name for row in found for name in (row["id"], row["sourced_id"])}
    if unknown := sorted(set(names) - known):
        raise Problem(422, "unknown_schools", schools=unknown)
    guarded = [row["id"] for row in found if row["approval_above"] is not None and command.kind != "safety"]
    if guarded:
        raise Problem(422, "approval_needed", schools=guarded)
    group = uuid7()
    sends: list[dict[str, Any]] = [{"school": row, "notification": uuid7(), "task": uuid7()} for row in found]
    full = [
        send for send in sends if await audience_checks.has_members(tx, send["school"]["school_id"], command.audience)
    ]
    answer = {
        "id": str(group),
        "task_id": str(group),
        "state": "accepted",
        "notifications": [
            {
                "school_id": send["school"]["id"],
                "notification_id": str(send["notification"]),
                "task_id": str(send["task"]),
            }
            for send in full
        ],
        "empty_schools": [send["school"]["id"] for send in sends if send not in full],
    }
    content = {"schools": sorted(names), "send": command.model_dump(mode="json")}
    before = await answered(tx, caller, GROUP, key, content, answer)
    if before is not None:
        return before
    refuse_past(command)
    if not full:
        raise Problem(422, "empty_audience")
    await tx.execute(INSERT_PARENT_TASK, {"task": group, "kind": KIND, "person": caller.person})
    now = dt.datetime.now(dt.UTC)
    for send in full:
        school, version = send["school"]["school_id"], send["school"]["directory_version"]
        open_send(tx, requested(caller, school, send["notification"], send["task"], command, now, version, group))
    return answer


async def aggregate_tasks(tx: UnitOfWork, tasks: Sequence[str]) -> None:
    """Move the parents of these tasks on, by the states of all their children."""
    await tx.execute(UPDATE_PARENT_TASKS, {"tasks": list(tasks)})

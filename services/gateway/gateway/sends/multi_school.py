"""A send to several schools: one parent task, and a notification of its own for each, in one commit."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from uuid_utils.compat import uuid7

from gateway.http.idempotency import GROUP as GROUP_KEYS
from gateway.http.idempotency import answered
from gateway.http.opened_sends import open_send
from gateway.problems import Problem
from gateway.security.caller import Caller
from gateway.sends import audience_checks
from gateway.sends.commands import SendCommand, refuse_past, requested
from gateway.sends.parent_tasks import GROUP, INSERT_PARENT_TASK
from shared.transactions.unit_of_work import UnitOfWork

# Select active schools by id or sourcedId.
SELECT_SCHOOLS = """
SELECT school_id, school_id::text AS id, sourced_id, directory_version, approval_above FROM school
WHERE active AND (school_id::text = ANY(%(names)s) OR sourced_id = ANY(%(names)s)) ORDER BY school_id
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
    content = {"schools": sorted(names), "send": command.content()}
    before = await answered(tx, caller, GROUP_KEYS, key, content, answer)
    if before is not None:
        return before
    refuse_past(command)
    if not full:
        raise Problem(422, "empty_audience")
    await tx.execute(INSERT_PARENT_TASK, {"task": group, "school": None, "kind": GROUP, "person": caller.person})
    now = dt.datetime.now(dt.UTC)
    for send in full:
        school, version = send["school"]["school_id"], send["school"]["directory_version"]
        open_send(tx, requested(caller, school, send["notification"], send["task"], command, now, version, group))
    return answer

"""Cancels a task: requested here, decided by the service that owns its kind."""

import datetime as dt
from uuid import UUID

from gateway.problems import Problem
from gateway.security.access_control import ADMINS
from gateway.security.caller import Caller
from gateway.sends.parent_tasks import KINDS, cancel_request, stop_other_part
from shared.events import FINAL
from shared.transactions.unit_of_work import UnitOfWork

# Lock a task.
LOCK_TASK = (
    "SELECT school_id, kind, state, epoch, created_by, cancel_requested_at FROM task WHERE task_id = %(id)s FOR UPDATE"
)
# Remember that a cancel was requested.
MARK_CANCEL_REQUESTED = "UPDATE task SET cancel_requested_at = %(now)s WHERE task_id = %(id)s"
# Remember the same for the children that have not ended; returns them.
MARK_CHILDREN = """
UPDATE task SET cancel_requested_at = %(now)s
WHERE parent_id = %(id)s AND state NOT IN ('succeeded', 'failed', 'cancelled') AND cancel_requested_at IS NULL
RETURNING task_id, school_id, kind, epoch
"""


async def request_cancel(tx: UnitOfWork, caller: Caller, task_id: UUID) -> None:
    """Commit the request; a second one changes nothing. 404, 409 `too_late`; 403 for another person's task.

    Of a send to a few people first both parts stop, whichever is named.
    """
    task = await tx.row(LOCK_TASK, {"id": task_id})
    if task is None:
        raise Problem(404, "not_found")
    if caller.role not in ADMINS and (caller.person is None or task["created_by"] != caller.person):
        raise Problem(403, "forbidden", "Only administrators may cancel the tasks of other people.")
    other_stops = await stop_other_part(tx, caller, task_id)
    if task["state"] in FINAL:
        if other_stops:
            return
        raise Problem(409, "too_late")
    if task["cancel_requested_at"] is not None:
        return
    now = dt.datetime.now(dt.UTC)
    await tx.execute(MARK_CANCEL_REQUESTED, {"id": task_id, "now": now})
    if task["kind"] in KINDS:
        # No service owns a parent: its children are stopped, and it ends with the last of them.
        for child in await tx.rows(MARK_CHILDREN, {"id": task_id, "now": now}):
            tx.emit(cancel_request(caller, child, now))
        return
    tx.emit(cancel_request(caller, task | {"task_id": task_id}, now))

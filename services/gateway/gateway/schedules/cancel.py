"""Cancels a single send that was scheduled: asks the scheduler first, then, if it has fired, the notifier."""

from uuid import UUID

from fastapi.responses import Response

from gateway.http.service_client import ServiceClients
from gateway.problems import Problem
from gateway.security.caller import Caller
from shared.transactions.unit_of_work import UnitOfWorkFactory

# Select the schedule of a notification: the task of a single run has the id of its schedule.
SELECT_SCHEDULE = """
SELECT s.schedule_id FROM intent i JOIN schedule_intent s ON s.schedule_id = i.task_id
WHERE i.notification_id = %(id)s
"""


async def schedule_of(rows: UnitOfWorkFactory, school: UUID, notification_id: UUID) -> UUID | None:
    """Return the schedule whose single run a notification is; None for one that was sent at once."""
    async with rows.request(school) as tx:
        row = await tx.row(SELECT_SCHEDULE, {"id": notification_id})
    return row["schedule_id"] if row else None


async def cancel_scheduled_send(
    owners: ServiceClients,
    caller: Caller,
    school: UUID,
    schedule_id: UUID,
    notification_id: UUID | None,
    if_match: str | None = None,
) -> Response:
    """Return the scheduler's answer, or the notifier's if the run has started already."""
    try:
        path = f"/v1/schedules/{schedule_id}"
        return await owners.send_command("scheduler", "DELETE", path, caller, school, if_match=if_match)
    except Problem as refusal:
        if refusal.code != "too_late" or refusal.more.get("state") != "done" or notification_id is None:
            raise
    return await owners.send_command("notifier", "POST", f"/v1/notifications/{notification_id}/cancel", caller, school)

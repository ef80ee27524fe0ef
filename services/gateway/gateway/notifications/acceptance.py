"""Accepts the request of `POST /v1/notifications`: a send now, later, recurring, or to several schools."""

from typing import Any

from gateway.http.dependencies import one_school, school_of
from gateway.notifications.read_routes import NotificationIn
from gateway.problems import Problem
from gateway.schedules.commands import invalid, later_of, request_schedule
from gateway.security.caller import Caller
from gateway.sends import multi_school
from gateway.sends.audience import audience_of
from gateway.sends.batch_accept import BatchAcceptor
from gateway.sends.commands import SendCommand
from shared.transactions.unit_of_work import UnitOfWorkFactory


async def accept(
    body: NotificationIn,
    caller: Caller,
    rows: UnitOfWorkFactory,
    sends: BatchAcceptor,
    key: str | None,
    school: str | None = None,
) -> dict[str, Any]:
    """Commit a send, a schedule, or one send per school; return the ids for the answer. Raises Problem.

    `school`: as the query names it; the body may name it too.
    """
    command = SendCommand(
        kind=body.type,
        title=body.title,
        body=body.body,
        data=body.data,
        audience=audience_of(body.audience),
        channels=tuple(dict.fromkeys(body.channels)),
        urgent=body.urgent,
        expires_at=body.expires_at,
        template=body.template,
        variables=body.variables,
        escalation=body.escalation.of_event() if body.escalation else None,
    )
    if body.only_limits:
        raise invalid("deliver_at", "give deliver_at or repeat, or leave out the fields about later times")
    if body.schools is not None:
        if school is not None:
            raise invalid("school", "name one school, or several in `schools`")
        if not caller.everywhere:
            raise Problem(403, "forbidden", "Only administrators of the group may send to several schools.")
        async with rows.begin() as tx:
            return await multi_school.request_group_send(tx, caller, list(dict.fromkeys(body.schools)), command, key)
    where = await school_of(rows, caller, one_school(body.school, school))
    if body.rule is None:
        return await sends.send(caller, where, command, key)
    async with rows.request(where) as tx:
        return await request_schedule(tx, caller, where, later_of(command, body), key)


def location_of(answer: dict[str, Any]) -> str:
    """Return the path that shows the progress."""
    schedule = answer.get("schedule_id")
    return f"/v1/schedules/{schedule}" if schedule else f"/v1/tasks/{answer['task_id']}"

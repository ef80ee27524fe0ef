"""Accepts the request of `POST /v1/notifications`: a send now, later, recurring, or to several schools."""

import json
from typing import Any
from uuid import UUID

from gateway.http.dependencies import one_school, school_of
from gateway.http.idempotency import recalled
from gateway.http.service_client import ServiceClients
from gateway.notifications.canary import draw_people, request_send
from gateway.notifications.held_sends import hold
from gateway.notifications.read_routes import NotificationIn, preview_at_owner
from gateway.problems import Problem
from gateway.schedules.commands import ScheduleCommand, invalid, later_of
from gateway.security.caller import Caller
from gateway.sends import multi_school
from gateway.sends.audience import audience_of
from gateway.sends.audience_checks import check_ids
from gateway.sends.batch_accept import BatchAcceptor
from gateway.sends.commands import Canary, NeedsApproval, SendCommand
from shared.transactions.unit_of_work import UnitOfWorkFactory


async def accept(
    body: NotificationIn,
    caller: Caller,
    rows: UnitOfWorkFactory,
    sends: BatchAcceptor,
    owners: ServiceClients,
    key: str | None,
    school: str | None = None,
) -> dict[str, Any]:
    """Commit a send, a schedule, or one send per school; return the ids for the answer. Raises Problem.

    `school`: as the query names it; the body may name it too. What reaches more people than the school's limit waits
    for a second person instead, and so does what cannot be counted now.
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
        canary=Canary(people=body.canary.count, after_minutes=body.canary.after_minutes) if body.canary else None,
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
    asked = command if body.rule is None else later_of(command, body)
    if asked.canary is not None:
        async with rows.request(where) as tx:
            before = await recalled(tx, caller, where, key, asked.content())
            await check_ids(tx, where, asked.audience)
        if before is not None:
            return before
        asked.canary = await draw_people(asked, asked.canary, caller, where, owners)
    try:
        return await _commit(asked, caller, where, rows, sends, key, cleared=False)
    except NeedsApproval as guard:
        people = await count_people(command, caller, where, owners)
        if people is not None and people <= guard.above:
            return await _commit(asked, caller, where, rows, sends, key, cleared=True)
        async with rows.request(where) as tx:
            return await hold(tx, caller, where, asked, key, people, guard.above)


async def _commit(
    command: SendCommand,
    caller: Caller,
    school: UUID,
    rows: UnitOfWorkFactory,
    sends: BatchAcceptor,
    key: str | None,
    *,
    cleared: bool,
) -> dict[str, Any]:
    if not isinstance(command, ScheduleCommand) and command.canary is None:
        return await sends.send(caller, school, command, key, cleared=cleared)
    async with rows.request(school) as tx:
        return await request_send(tx, caller, school, command, key, cleared=cleared)


async def count_people(command: SendCommand, caller: Caller, school: UUID, owners: ServiceClients) -> int | None:
    """Return how many people a send would reach; None while the notifier cannot say."""
    try:
        answer = await preview_at_owner(
            owners, caller, school, command.audience, command.kind, command.channels, urgent=command.urgent
        )
    except Problem as problem:
        if problem.status != 503:  # noqa: PLR2004
            raise
        return None
    return int(json.loads(bytes(answer.body))["people"])


def location_of(answer: dict[str, Any]) -> str:
    """Return the path that shows the progress."""
    if approval := answer.get("approval_id"):
        return f"/v1/approvals/{approval}"
    schedule = answer.get("schedule_id")
    return f"/v1/schedules/{schedule}" if schedule else f"/v1/tasks/{answer['task_id']}"

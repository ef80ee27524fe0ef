"""`POST /v1/notifications`: ask for people to be told, now, later or again and again."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from gateway.http.dependencies import Rows, school_of
from gateway.http.fields import Key
from gateway.http.guarded_route import GuardedRoute
from gateway.notifications.read_routes import Accepted, NotificationIn
from gateway.problems import Problem
from gateway.schedules.commands import invalid, later_of, request_schedule
from gateway.security.access_control import STAFF, allow
from gateway.security.caller import Caller, CurrentCaller
from gateway.sends import multi_school
from gateway.sends.audience import audience_of
from gateway.sends.batch_accept import BatchAcceptor
from gateway.sends.commands import SendCommand
from shared.http.provided import Provided
from shared.transactions.unit_of_work import UnitOfWorkFactory

router = APIRouter(prefix="/v1", tags=["notifications"], route_class=GuardedRoute)

Sends = Annotated[BatchAcceptor, Depends(Provided(BatchAcceptor))]


@router.post(
    "/notifications",
    status_code=202,
    response_model=Accepted,
    response_model_exclude_none=True,
    dependencies=[allow(STAFF, scope="notifications:write", audited=False)],
)
async def send(
    body: NotificationIn,
    response: Response,
    caller: CurrentCaller,
    rows: Rows,
    sends: Sends,
    idempotency_key: Key = None,
) -> dict[str, Any]:
    """Ask for people to be told, now, later or again and again. Answered once it cannot be lost any more."""
    answer = await _accept(body, caller, rows, sends, idempotency_key)
    response.headers["Location"] = _location(answer)
    return answer


async def _accept(
    body: NotificationIn, caller: Caller, rows: UnitOfWorkFactory, sends: BatchAcceptor, key: str | None
) -> dict[str, Any]:
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
        raise invalid("deliver_at", "give deliver_at or repeat, or leave out what is about later times")
    if body.schools is not None:
        if not caller.everywhere:
            raise Problem(403, "forbidden", "Only administrators of the group may send to several schools.")
        async with rows.begin() as tx:
            return await multi_school.request_group_send(tx, caller, list(dict.fromkeys(body.schools)), command, key)
    school = await school_of(rows, caller, body.school)
    if body.rule is None:
        return await sends.send(caller, school, command, key)
    async with rows.request(school) as tx:
        return await request_schedule(tx, caller, school, later_of(command, body), key)


def _location(answer: dict[str, Any]) -> str:
    """Where to ask how it goes on."""
    schedule = answer.get("schedule_id")
    return f"/v1/schedules/{schedule}" if schedule else f"/v1/tasks/{answer['task_id']}"

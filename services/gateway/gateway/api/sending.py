"""`POST /v1/notifications`: ask for people to be told, now, later or again and again."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import ValidationError

from gateway import group_sends
from gateway.api.deps import Rows, Sends, intake, school_of, transactions
from gateway.api.notifications import Accepted, NotificationIn, audience_of
from gateway.auth import Caller, Known, caller
from gateway.commands import SendCommand
from gateway.intake import Intake
from gateway.problems import Problem
from gateway.scheduling import invalid, later_of, request_schedule
from shared.transaction import Transactions

LONGEST_KEY = 200

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Plain(APIRoute):
    """Reads what is plainly in order by itself; all else goes through FastAPI, which finds out what is wrong with it.

    Solving dependencies and describing errors is half of what a send costs: see docs/decisions/0015.
    """

    def get_route_handler(self) -> Handler:
        """The handler that FastAPI made, behind the short way."""
        usual = super().get_route_handler()

        async def handle(request: Request) -> Response:
            key = request.headers.get("idempotency-key")
            kind = request.headers.get("content-type", "").partition(";")[0]
            if kind != "application/json" or not (key is None or _plain(key)):
                return await usual(request)
            try:
                body = NotificationIn.model_validate_json(await request.body())
            except ValidationError:
                return await usual(request)
            if body.schools is not None:
                return await usual(request)
            who, rows, sends = await caller(request), await transactions(request), await intake(request)
            answer = await _accept(body, who, rows, sends, key)
            told = {name: answer[name] for name in Accepted.model_fields if name in answer}
            return JSONResponse(told, 202, {"Location": _location(answer)})

        return handle


def _plain(key: str) -> bool:
    return 0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()


router = APIRouter(prefix="/v1", tags=["notifications"], route_class=Plain)


@router.post("/notifications", status_code=202, response_model=Accepted, response_model_exclude_none=True)
async def send(
    body: NotificationIn,
    response: Response,
    caller: Known,
    rows: Rows,
    sends: Sends,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=LONGEST_KEY)] = None,
) -> dict[str, Any]:
    """Ask for people to be told, now, later or again and again. Answered once it cannot be lost any more."""
    answer = await _accept(body, caller, rows, sends, idempotency_key)
    response.headers["Location"] = _location(answer)
    return answer


async def _accept(
    body: NotificationIn, caller: Caller, rows: Transactions, sends: Intake, key: str | None
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
            raise Problem(403, "forbidden", "Only the group's administrators send to several schools.")
        async with rows.begin() as tx:
            return await group_sends.request(tx, caller, list(dict.fromkeys(body.schools)), command, key)
    school = await school_of(rows, caller, body.school)
    if body.rule is None:
        return await sends.send(caller, school, command, key)
    async with rows.request(school) as tx:
        return await request_schedule(tx, caller, school, later_of(command, body), key)


def _location(answer: dict[str, Any]) -> str:
    """Where to ask how it goes on."""
    schedule = answer.get("schedule_id")
    return f"/v1/schedules/{schedule}" if schedule else f"/v1/tasks/{answer['task_id']}"

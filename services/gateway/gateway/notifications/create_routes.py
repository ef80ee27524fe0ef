"""`POST /v1/notifications`: ask for people to be told, now, later or again and again."""

from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import ValidationError
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import problems
from gateway.http.dependencies import Rows, Sends, school_of
from gateway.http.fields import LONGEST_KEY, Key
from gateway.notifications.read_routes import Accepted, NotificationIn, audience_of
from gateway.problems import Problem
from gateway.schedules.commands import invalid, later_of, request_schedule
from gateway.security.access_control import Caller, Known, admitted
from gateway.sends import multi_school
from gateway.sends.batch_accept import BatchAcceptor
from gateway.sends.commands import SendCommand
from shared.transactions.unit_of_work import UnitOfWorkFactory

PATH = "/v1/notifications"
ROUTE = ("POST", PATH)

router = APIRouter(prefix="/v1", tags=["notifications"])


class ShortWay:
    """ASGI middleware next to the router: takes a send that is plainly in order; any other goes on to FastAPI's route.

    Finding a route, solving dependencies, describing errors and checking the answer anew are half of what a send
    costs: see docs/decisions/0015. What is wrong is for the route to find out.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand the request on as it came."""
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            content = await request.body()
            key = request.headers.get("idempotency-key")
            body = _plain(request.headers.get("content-type", ""), key, content)
            if body is not None:
                state = request.app.state
                answer = await _accept(body, admitted(request, ROUTE), state.service.transactions, state.intake, key)
        except ClientDisconnect:
            return  # nobody is there to be answered
        except Exception as problem:  # noqa: BLE001  # each becomes an answer, as it does behind the router
            await problems.answer(problem)(scope, receive, send)
            return
        if body is None:
            await self._app(scope, _again(content, receive), send)
            return
        told = orjson.dumps({name: answer[name] for name in Accepted.model_fields if name in answer})
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(told)),
            (b"location", _location(answer).encode()),
        ]
        await send({"type": "http.response.start", "status": 202, "headers": headers})
        await send({"type": "http.response.body", "body": told})


def _plain(kind: str, key: str | None, content: bytes) -> NotificationIn | None:
    """The body, if there is nothing to say about it; sends to several schools are no hot path."""
    if kind.partition(";")[0] != "application/json":
        return None
    if key is not None and not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        return None
    try:
        body = NotificationIn.model_validate_json(content)
    except ValidationError:
        return None
    return body if body.schools is None else None


def _again(content: bytes, receive: Receive) -> Receive:
    """A body that has been read, to be read again."""
    left = [content]

    async def received() -> Message:
        return {"type": "http.request", "body": left.pop(), "more_body": False} if left else await receive()

    return received


@router.post("/notifications", status_code=202, response_model=Accepted, response_model_exclude_none=True)
async def send(
    body: NotificationIn,
    response: Response,
    caller: Known,
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
            raise Problem(403, "forbidden", "Only the group's administrators send to several schools.")
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

"""`/v1/replays`: a service uses the log again, as a task."""

from fastapi import APIRouter, Response

from gateway.http.dependencies import Rows
from gateway.http.fields import Key
from gateway.http.guarded_route import GuardedRoute
from gateway.operations import replay_requests
from gateway.operations.replay_requests import Asked
from gateway.operations.replay_selection import ReactionIn, ReplayAccepted, ReplayIn, ResyncIn
from gateway.security.access_control import PLATFORM, allow
from gateway.security.audit import AuditContext, Audited
from gateway.security.caller import Caller, CurrentCaller
from shared.transactions.unit_of_work import UnitOfWorkFactory

router = APIRouter(prefix="/v1/replays", tags=["operations"], route_class=GuardedRoute)


@router.post("", status_code=202, dependencies=[allow(PLATFORM, scope="replays:write")])
async def replay(
    body: ReplayIn, caller: CurrentCaller, rows: Rows, audited: Audited, response: Response, idempotency_key: Key = None
) -> ReplayAccepted:
    """Read the log again into one projection of a service, as a task. Nothing is sent to any person by it.

    A dry run only counts the events, by stream and type. 503 `unavailable` while no worker of the service is live.
    """
    return await _accept(body, caller, rows, audited, response, idempotency_key)


@router.post("/reactions", status_code=202, dependencies=[allow(PLATFORM, scope="replays:write")])
async def react(
    body: ReactionIn,
    caller: CurrentCaller,
    rows: Rows,
    audited: Audited,
    response: Response,
    idempotency_key: Key = None,
) -> ReplayAccepted:
    """Let a service react to events of the log that it has not handled. This can send messages to people.

    A dry run counts how many it has handled, and how many it would. Events that were handled before are dropped again.
    """
    return await _accept(body, caller, rows, audited, response, idempotency_key)


@router.post("/resyncs", status_code=202, dependencies=[allow(PLATFORM, scope="replays:write")])
async def resync(
    body: ResyncIn, caller: CurrentCaller, rows: Rows, audited: Audited, response: Response, idempotency_key: Key = None
) -> ReplayAccepted:
    """Publish the present state of an owner again, for a log that has lost its first events."""
    return await _accept(body, caller, rows, audited, response, idempotency_key)


async def _accept(
    asked: Asked, caller: Caller, rows: UnitOfWorkFactory, audited: AuditContext, response: Response, key: str | None
) -> ReplayAccepted:
    async with rows.begin() as tx:
        accepted = await replay_requests.accept(tx, caller, asked, key)
    audited.subject |= replay_requests.named(accepted, asked)
    response.headers["Location"] = f"/v1/tasks/{accepted.task_id}"
    return accepted

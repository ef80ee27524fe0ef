"""Queues: what waits in them and what consumes it; an operator pauses and resumes one and says why."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from gateway.console.console_route import ConsoleRoute
from gateway.console.page import ReaderPage
from gateway.console.texts import N_
from gateway.http.dependencies import Rows
from gateway.operations import queue_routes
from gateway.operations.queue_reads import QueueDepths, consumption
from gateway.operations.queue_routes import OrderIn, Target
from gateway.problems import Problem
from gateway.security.access_control import PLATFORM, allow
from gateway.security.audit import Audited
from gateway.security.caller import CurrentCaller
from shared.http.provided import Provided

router = APIRouter(prefix="/console/queues", include_in_schema=False, route_class=ConsoleRoute)

QueueOrder = Literal["pause", "resume"]
NO_REASON = N_("Say why: the reason stays with the queue and in the audit.")


@router.get("", dependencies=[allow(PLATFORM)])
async def queues(
    page: ReaderPage, rows: Rows, depths: Annotated[QueueDepths, Depends(Provided(QueueDepths))]
) -> Response:
    """List the queues that services consume."""
    return page.html("queues.html", queues=await queue_routes.queues(rows, depths))


@router.get("/{name}/{order}", dependencies=[allow(PLATFORM)])
async def ask(name: Target, order: QueueOrder, page: ReaderPage, rows: Rows) -> Response:
    """Ask for the reason before a queue is paused or resumed."""
    async with rows.begin() as tx:
        found = (await consumption(tx)).get(name)
    if found is None:
        raise Problem(404, "not_found")
    return page.html("queue_confirm.html", queue=found.name, order=order, reason="", error=None)


@router.post("/{name}/{order}", dependencies=[allow(PLATFORM)])
async def decide(
    name: Target,
    order: QueueOrder,
    page: ReaderPage,
    caller: CurrentCaller,
    rows: Rows,
    audited: Audited,
    reason: Annotated[str, Form(max_length=5_000)] = "",
) -> Response:
    """Pause or resume a queue. A repeated order is the same."""
    try:
        body = OrderIn.model_validate({"reason": reason})
    except ValidationError:
        return page.html("queue_confirm.html", 422, queue=name, order=order, reason=reason, error=page.text(NO_REASON))
    act = queue_routes.pause if order == "pause" else queue_routes.resume
    await act(name, body, caller, rows, audited)
    return RedirectResponse(page.href("/console/queues"), 303)

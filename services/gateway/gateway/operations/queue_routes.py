"""`/v1/queues`, `/v1/workers/{worker}/drain`: what operators see of consumers and order of them."""

import datetime as dt
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, StringConstraints

from gateway.http.dependencies import Rows
from gateway.http.fields import Prose, Strict
from gateway.http.guarded_route import GuardedRoute
from gateway.operations.queue_reads import ConsumedQueues, QueueDepths, consumption, with_depths
from gateway.problems import Problem
from gateway.security.access_control import PLATFORM, allow
from gateway.security.audit import Audited
from gateway.security.caller import CurrentCaller
from shared.events import ConsumersOrdered
from shared.events.consumers import Order
from shared.http.provided import Provided
from shared.service.consumer_orders import UPSERT_ORDER
from shared.transactions.unit_of_work import UnitOfWork

router = APIRouter(prefix="/v1", tags=["operations"], route_class=GuardedRoute)

Target = Annotated[str, Path(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:@-]*$")]

# Find the service of a worker, and whether it still sends heartbeats.
SELECT_WORKER = """
SELECT service, extract(epoch FROM clock_timestamp() - seen_at) < 12 * (facts->>'every_seconds')::float8 AS there
FROM worker WHERE worker = %(worker)s
"""


class OrderIn(Strict):
    """Why an operator orders something; it stays with the order and in the audit."""

    reason: Annotated[Prose, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class Ordered(BaseModel):
    """An accepted order. Each process of the service follows it within some seconds; `/v1/queues` shows which have."""

    target: str
    service: str
    order: Order
    reason: str
    ordered_by: UUID | None
    ordered_at: dt.datetime


@router.get("/queues", dependencies=[allow(PLATFORM, scope="queues:read")])
async def queues(rows: Rows, depths: Annotated[QueueDepths, Depends(Provided(QueueDepths))]) -> ConsumedQueues:
    """List the queues that services consume: depth, rates, age, consumers, and whether an operator has paused them."""
    async with rows.begin() as tx:
        found = await consumption(tx)
    return with_depths(found, await depths.read(list(found)), dt.datetime.now(dt.UTC))


@router.post("/queues/{name}/pause", status_code=202, dependencies=[allow(PLATFORM, scope="queues:write")])
async def pause(name: Target, body: OrderIn, caller: CurrentCaller, rows: Rows, audited: Audited) -> Ordered:
    """Let all processes of a service stop to consume from a queue. Messages wait; what was received is finished.

    It holds until it is resumed, also for processes that start later. The service stays ready.
    """
    return await _order_queue(name, "pause", body.reason, caller, rows, audited)


@router.post("/queues/{name}/resume", status_code=202, dependencies=[allow(PLATFORM, scope="queues:write")])
async def resume(name: Target, body: OrderIn, caller: CurrentCaller, rows: Rows, audited: Audited) -> Ordered:
    """Let a service consume from a paused queue again. Where it was not paused, nothing changes."""
    return await _order_queue(name, "resume", body.reason, caller, rows, audited)


@router.post("/workers/{worker}/drain", status_code=202, dependencies=[allow(PLATFORM, scope="workers:write")])
async def drain(worker: Target, body: OrderIn, caller: CurrentCaller, rows: Rows, audited: Audited) -> Ordered:
    """Let one process finish what it has received and consume no more, until it ends. 409 `too_late` if it is gone."""
    audited.subject |= {"reason": body.reason}
    async with rows.begin() as tx:
        found = await tx.row(SELECT_WORKER, {"worker": worker})
        if found is None:
            raise Problem(404, "not_found")
        if not found["there"]:
            raise Problem(409, "too_late", "This worker is gone.")
        return await _order(tx, found["service"], worker, "drain", body.reason, caller.person)


async def _order_queue(
    name: str, order: Order, reason: str, caller: CurrentCaller, rows: Rows, audited: Audited
) -> Ordered:
    audited.subject |= {"reason": reason}
    async with rows.begin() as tx:
        queue = (await consumption(tx)).get(name)
        if queue is None:
            raise Problem(404, "not_found", "No worker consumes from a queue of this name.")
        if name.endswith(f".{ConsumersOrdered.topic}"):
            raise Problem(409, "conflict", "Orders themselves arrive by this queue, so it cannot be paused.")
        return await _order(tx, queue.service, name, order, reason, caller.person)


async def _order(tx: UnitOfWork, service: str, target: str, order: Order, reason: str, person: UUID | None) -> Ordered:
    """Remember an order here, where it is shown, and send it to its service."""
    event = ConsumersOrdered(
        service=service,
        target=target,
        order=order,
        reason=reason,
        ordered_by=person,
        ordered_at=dt.datetime.now(dt.UTC),
    )
    await tx.execute(UPSERT_ORDER, event.model_dump())
    tx.emit(event)
    return Ordered(**event.model_dump())

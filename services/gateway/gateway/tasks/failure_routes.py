"""`/v1/failures`: messages that failed for good, and the way back."""

import datetime as dt
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from gateway.http.dependencies import Rows
from gateway.http.fields import After, Limit, Number
from gateway.http.guarded_route import GuardedRoute
from gateway.security.access_control import PLATFORM, allow
from gateway.security.caller import CurrentCaller
from gateway.tasks import dead_letters

router = APIRouter(prefix="/v1", tags=["tasks"], route_class=GuardedRoute)


class Failure(BaseModel):
    """One dead letter, without its body: `fingerprint` is the same for the same fault of the same consumer.

    `deaths` counts how often it has died; `given_back_at` is null while it waits for somebody's decision.
    """

    id: int
    school_id: UUID | None
    message_id: str | None
    queue: str
    type: str | None
    error: str
    fingerprint: str
    attempts: int
    first_failed: dt.datetime
    last_failed: dt.datetime
    deaths: int
    given_back_at: dt.datetime | None
    given_back_by: UUID | None


class FailurePage(BaseModel):
    """Newest first; pass `next` as `after` to go on."""

    items: list[Failure]
    next: int | None


@router.get("/failures", response_model=FailurePage, dependencies=[allow(PLATFORM, scope="failures:read")])
async def listing(
    rows: Rows,
    after: After = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    """Messages that failed for good, newest first."""
    async with rows.begin() as tx:
        found = await tx.rows(dead_letters.PAGE, {"after": after, "limit": limit + 1})
    return {"items": found[:limit], "next": found[limit - 1]["id"] if len(found) > limit else None}


@router.post(
    "/failures/{failure_id}/retry", response_model=Failure, dependencies=[allow(PLATFORM, scope="failures:write")]
)
async def retry(failure_id: Number, caller: CurrentCaller, rows: Rows) -> dict[str, Any]:
    """Give a message back to the queue that it died in, as it was; its attempts count from 0 again.

    A consumer that has handled it before does nothing. 409 `too_late` when it has been given back and not died since.
    """
    async with rows.begin() as tx:
        return await dead_letters.retry(tx, failure_id, caller.person)

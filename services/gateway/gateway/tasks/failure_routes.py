"""`/v1/failures`: messages that failed for good; retry returns them to their queue."""

from fastapi import APIRouter

from gateway.http.dependencies import Rows
from gateway.http.fields import After, Limit, Number
from gateway.http.guarded_route import GuardedRoute
from gateway.security.access_control import PLATFORM, allow
from gateway.security.caller import CurrentCaller
from gateway.tasks import dead_letters
from gateway.tasks.reads import LIST_FAILURES, Failure, FailurePage

router = APIRouter(prefix="/v1", tags=["tasks"], route_class=GuardedRoute)


@router.get("/failures", dependencies=[allow(PLATFORM, scope="failures:read")])
async def listing(
    rows: Rows,
    after: After = None,
    limit: Limit = 50,
) -> FailurePage:
    """List messages that failed for good, newest first."""
    async with rows.begin() as tx:
        found = await LIST_FAILURES.all(tx, after=after, limit=limit + 1)
    items = found[:limit]
    return FailurePage(items=items, next=items[-1].id if len(found) > limit else None)


@router.post("/failures/{failure_id}/retry", dependencies=[allow(PLATFORM, scope="failures:write")])
async def retry(failure_id: Number, caller: CurrentCaller, rows: Rows) -> Failure:
    """Return a message to the queue that it died in, unchanged; its attempts count from 0 again.

    A consumer that has handled it before does nothing. 409 `too_late` when it has been given back and not died since.
    """
    async with rows.begin() as tx:
        return await dead_letters.retry(tx, failure_id, caller.person)

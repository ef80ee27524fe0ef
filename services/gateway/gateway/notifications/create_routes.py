"""`POST /v1/notifications`: send now, later or at recurring times."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from gateway.http.dependencies import Rows, Services
from gateway.http.fields import Key, Wanted
from gateway.notifications.acceptance import accept, location_of
from gateway.notifications.fast_path import SendFastPath
from gateway.notifications.read_routes import Accepted, NotificationIn
from gateway.security.access_control import STAFF, allow
from gateway.security.caller import CurrentCaller
from gateway.sends.batch_accept import BatchAcceptor
from shared.http.provided import Provided

router = APIRouter(prefix="/v1", tags=["notifications"], route_class=SendFastPath)

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
    owners: Services,
    school: Wanted = None,
    idempotency_key: Key = None,
) -> dict[str, Any]:
    """Send a notification now, later or at recurring times. The answer comes after the commit.

    Where the school has a limit (`approval_above`), a send to more people waits: `state` is `waiting_for_approval`.
    """
    answer = await accept(body, caller, rows, sends, owners, idempotency_key, school)
    response.headers["Location"] = location_of(answer)
    return answer

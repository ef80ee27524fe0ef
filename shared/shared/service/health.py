"""Routes of every service: liveness, readiness, metrics."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.http.provided import Provided
from shared.service.outbox_backlog import OutboxBacklog
from shared.service.runtime import Runtime
from shared.telemetry import Metrics

router = APIRouter(tags=["health"])


@router.get("/health/live")
async def live() -> dict[str, str]:
    """Whether the process answers."""
    return {"status": "live"}


@router.get("/health/ready")
async def ready(runtime: Annotated[Runtime, Depends(Provided(Runtime))], response: Response) -> dict[str, Any]:
    """200 from the first moment at which everything was there until the service stops; before and after it 503.

    The reasons say what keeps the service from its work now. They do not count once it has started.
    """
    ready, reasons = await runtime.readiness()
    if not ready:
        response.status_code = 503
    return {"status": "ready" if ready else "not ready", "reasons": reasons}


@router.get("/health/status")
async def status(
    runtime: Annotated[Runtime, Depends(Provided(Runtime))],
    backlog: Annotated[OutboxBacklog, Depends(Provided(OutboxBacklog))],
) -> dict[str, Any]:
    """Say in words what keeps the service from its work, and what waits in its outbox (a few seconds old)."""
    reasons = await runtime.not_ready() + backlog.notes()
    outbox = {"pending": backlog.pending, "oldest_seconds": round(backlog.oldest, 1)}
    return {"status": "needs attention" if reasons else "well", "reasons": reasons, "outbox": outbox}


@router.get("/metrics", response_class=Response)
async def metrics(found: Annotated[Metrics, Depends(Provided(Metrics))]) -> Response:
    """Metrics in the Prometheus text format."""
    return Response(generate_latest(found.registry), media_type=CONTENT_TYPE_LATEST)

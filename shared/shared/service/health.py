"""Live, ready, metrics: the routes that every service has."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

router = APIRouter(tags=["health"])


async def _runtime(request: Request) -> Any:
    return request.app.state.service.runtime


@router.get("/health/live")
async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "live"}


@router.get("/health/ready")
async def ready(runtime: Annotated[Any, Depends(_runtime)], response: Response) -> dict[str, Any]:
    """200 while database and broker answer, nothing of this service's own is missing, and consumers run; else 503."""
    reasons = await runtime.not_ready()
    if reasons:
        response.status_code = 503
    return {"status": "not ready" if reasons else "ready", "reasons": reasons}


@router.get("/metrics", response_class=Response)
async def metrics(request: Request) -> Response:
    """Prometheus text format."""
    registry = request.app.state.service.metrics.registry
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

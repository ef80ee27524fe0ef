"""Builds the ASGI application of a service from its routes and from what they need."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from fastapi.telemetry import TelemetryConfig

from shared.http.provided import provide
from shared.http.unhandled import UnexpectedErrors
from shared.service.health import router as health_router
from shared.service.last_answers import LastAnswers
from shared.service.operations_port import OperationsPort
from shared.service.runtime import Runtime
from shared.settings import ServiceSettings


def build_application(
    name: str,
    settings: ServiceSettings,
    runtime: Runtime,
    routers: Sequence[APIRouter],
    *,
    provided: Sequence[object],
    telemetry: TelemetryConfig,
) -> FastAPI:
    """Return the ASGI application of a service; its lifespan runs the service.

    Routes get the objects of `provided`, each by its type.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with runtime.running():
            yield

    # Not `include_router`: that builds each route a second time, which the first request of a process waits for.
    routes = [route for router in (health_router, *routers) for route in router.routes]
    app = FastAPI(
        title=f"SchoolConnect {name}",
        routes=routes,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        # No logs: texts of errors may contain names.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False, **telemetry},
    )
    provide(app, provided)
    app.add_middleware(UnexpectedErrors)
    app.add_middleware(LastAnswers, stopping=lambda: runtime.stopping)
    if settings.operations_port is not None:
        app.add_middleware(OperationsPort, port=settings.operations_port)
    return app

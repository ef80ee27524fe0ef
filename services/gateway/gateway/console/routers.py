"""All routes of the console, and how they come into an application."""

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse

from gateway.console import (
    audit_page,
    compose_pages,
    error_pages,
    failure_decisions,
    failure_pages,
    key_pages,
    notification_pages,
    overview_page,
    sign_in_pages,
    task_pages,
    worker_page,
)
from gateway.console.assets import ADDRESS, FOLDER, Assets
from gateway.console.return_path import HOME

ROUTERS = (
    sign_in_pages.router,
    overview_page.router,
    task_pages.router,
    compose_pages.router,
    notification_pages.router,
    failure_decisions.router,
    failure_pages.router,
    worker_page.router,
    key_pages.router,
    audit_page.router,
    error_pages.router,  # last: it has a page for every other address
)


def install(app: FastAPI) -> None:
    """Serve style and script, and lead from the root to the console."""
    app.mount(ADDRESS, Assets(directory=FOLDER), name="console")

    @app.get("/", include_in_schema=False)
    async def root(_: Request) -> Response:
        return RedirectResponse(HOME, 303)

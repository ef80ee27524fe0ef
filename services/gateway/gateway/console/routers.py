"""All routes of the console, and how they come into an application."""

from fastapi import FastAPI, Request, Response
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.responses import RedirectResponse

from gateway.console import (
    approval_pages,
    audit_page,
    compose_pages,
    error_pages,
    failure_decisions,
    failure_edit_page,
    failure_pages,
    file_decisions,
    file_pages,
    import_pages,
    key_pages,
    live_page,
    log_pages,
    notification_pages,
    notification_reach_pages,
    overview_page,
    people_pages,
    queue_pages,
    replay_pages,
    report_order_pages,
    report_pages,
    schedule_pages,
    school_list_page,
    settings_page,
    sign_in_pages,
    task_pages,
    upload_pages,
    worker_page,
)
from gateway.console.assets import ADDRESS, FOLDER, Assets
from gateway.console.return_path import HOME

ROUTERS = (
    sign_in_pages.router,
    overview_page.router,
    school_list_page.router,
    settings_page.router,
    upload_pages.router,  # before one file
    upload_pages.uploads,
    file_pages.router,
    file_pages.queue,
    file_decisions.router,
    report_order_pages.router,  # before one report
    report_pages.router,
    schedule_pages.router,
    schedule_pages.system_router,
    people_pages.router,
    import_pages.router,
    import_pages.uploads,
    task_pages.router,
    compose_pages.router,
    approval_pages.router,
    notification_pages.router,
    notification_reach_pages.router,
    failure_decisions.router,
    failure_edit_page.router,
    failure_pages.router,
    worker_page.router,
    queue_pages.router,
    log_pages.router,
    replay_pages.router,
    live_page.router,
    key_pages.router,
    audit_page.router,
    error_pages.router,  # last: it has a page for every other address
)


def install(app: FastAPI) -> None:
    """Serve style and script, and lead from the root to the console.

    Only these are compressed: a compressed page with a secret and a reader's words in it betrays the secret (BREACH).
    """
    app.mount(ADDRESS, GZipMiddleware(Assets(directory=FOLDER)), name="console")

    @app.get("/", include_in_schema=False)
    async def root(_: Request) -> Response:
        return RedirectResponse(HOME, 303)

"""All routes of the console, and how they come into an application."""

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse

from gateway.console import error_pages, overview_page, sign_in_pages
from gateway.console.assets import ADDRESS, FOLDER, Assets
from gateway.console.return_path import HOME

ROUTERS = (
    sign_in_pages.router,
    overview_page.router,
    error_pages.router,  # last: it has a page for every other address
)


def install(app: FastAPI) -> None:
    """Serve style and script, and lead from the root to the console."""
    app.mount(ADDRESS, Assets(directory=FOLDER), name="console")

    @app.get("/", include_in_schema=False)
    async def root(_: Request) -> Response:
        return RedirectResponse(HOME, 303)

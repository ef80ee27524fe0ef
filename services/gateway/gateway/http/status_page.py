"""The status page at `/` and the documentation at `/docs`; nothing on them comes from elsewhere."""

import asyncio
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import fastapi_offline
from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, PackageLoader

from gateway.http.dependencies import Rows, Services
from shared.messaging import asyncapi

router = APIRouter(include_in_schema=False)
pages = Environment(loader=PackageLoader("gateway"), autoescape=True)

FIGURES = """
SELECT (SELECT count(*) FROM school WHERE active) AS schools, (SELECT count(*) FROM person WHERE active) AS people,
       (SELECT count(*) FROM outbox) AS outbox, (SELECT count(*) FROM failure) AS failures,
       (SELECT count(*) FROM task WHERE state NOT IN ('succeeded', 'failed', 'cancelled')) AS open_tasks
"""
TASKS = "SELECT task_id, kind, state, done, total, changed_at FROM task ORDER BY task_id DESC LIMIT 12"
WORKERS = """
SELECT worker, service, facts, extract(epoch FROM clock_timestamp() - seen_at) AS age FROM worker
ORDER BY service, worker
"""


MADE_SECONDS = 3.0


@dataclass(slots=True)
class Lately:
    """The page as it was last made: it counts all people, and whoever comes by may ask for it without end."""

    page: str = ""
    until: float = 0.0
    making: asyncio.Lock = field(default_factory=asyncio.Lock)


@router.get("/", response_class=HTMLResponse)
async def status(rows: Rows, owners: Services, request: Request) -> HTMLResponse:
    """Counts and states only: no names, no texts, readable without signing in; a few seconds old at most."""
    lately: Lately = request.app.state.status
    async with lately.making:
        if time.monotonic() >= lately.until:
            lately.page = await _made(rows, owners, request)
            lately.until = time.monotonic() + MADE_SECONDS
    return HTMLResponse(lately.page)


async def _made(rows: Rows, owners: Services, request: Request) -> str:
    names = sorted(owners.urls)
    answers, reasons = await asyncio.gather(
        asyncio.gather(*(owners.ready(name) for name in names)), request.app.state.service.runtime.not_ready()
    )
    services: dict[str, Any] = {
        "gateway": {"status": "not ready" if reasons else "ready", "reasons": reasons},
        **dict(zip(names, answers, strict=True)),
    }
    async with rows.begin() as tx:
        figures = await tx.row(FIGURES)
        tasks = await tx.rows(TASKS)
        workers = await tx.rows(WORKERS)
    return pages.get_template("status.html").render(services=services, figures=figures, tasks=tasks, workers=workers)


def _kind(facts: dict[str, Any]) -> str:
    """A schema's type in a word or two."""
    if "$ref" in facts:
        return str(facts["$ref"]).rpartition("/")[2]
    if "anyOf" in facts:
        return " or ".join(_kind(each) for each in facts["anyOf"])
    if facts.get("type") == "array":
        return f"list of {_kind(facts.get('items', {}))}"
    return str(facts.get("format") or facts.get("type") or "anything")


def _looked_up(document: dict[str, Any], reference: dict[str, str]) -> dict[str, Any]:
    """What a reference within a document leads to."""
    found = document
    for part in reference["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return found


def documentation(app: FastAPI) -> None:
    """Serve the API's documentation from a package's files."""
    app.state.status = Lately()
    # Swagger UI 5: what came before it shows nothing of OpenAPI 3.1.
    folder = Path(fastapi_offline.__file__).parent / "static"
    app.mount("/assets/swagger", StaticFiles(directory=folder), name="swagger")

    described = asyncapi.document()

    @app.get("/asyncapi.json", include_in_schema=False)
    async def events() -> dict[str, Any]:
        return described

    @app.get("/docs/events", include_in_schema=False)
    async def event_docs() -> HTMLResponse:
        page = pages.get_template("events.html")
        return HTMLResponse(page.render(document=described, kind=_kind, looked_up=partial(_looked_up, described)))

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="SchoolConnect API",
            swagger_js_url="/assets/swagger/swagger-ui-bundle.js",
            swagger_css_url="/assets/swagger/swagger-ui.css",
            swagger_favicon_url="/assets/swagger/favicon.png",
        )

"""The status page at `/` and the documentation at `/docs`; nothing on them comes from elsewhere."""

import asyncio
import re
import time
from base64 import b64encode
from collections.abc import Callable, Coroutine
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import fastapi_offline
from fastapi import APIRouter, Depends, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, PackageLoader

from gateway.http.front import PAGE
from gateway.http.service_client import ServiceClients
from shared.http.provided import Provided
from shared.messaging import asyncapi
from shared.transactions.unit_of_work import UnitOfWorkFactory

router = APIRouter(include_in_schema=False)
pages = Environment(loader=PackageLoader("gateway"), autoescape=True)

# Count schools, people, waiting messages, open failures and open tasks.
COUNT_ALL = """
SELECT (SELECT count(*) FROM school WHERE active) AS schools, (SELECT count(*) FROM person WHERE active) AS people,
       (SELECT count(*) FROM outbox) AS outbox,
       (SELECT count(*) FROM failure WHERE given_back_at IS NULL AND discarded_at IS NULL) AS failures,
       (SELECT count(*) FROM task WHERE state IN ('accepted', 'queued', 'running', 'retrying')) AS open_tasks
"""
# Select the latest tasks.
SELECT_LATEST_TASKS = "SELECT task_id, kind, state, done, total, changed_at FROM task ORDER BY created_at DESC LIMIT 12"
# Select all workers and the seconds since their last heartbeat.
SELECT_WORKERS = """
SELECT worker, service, facts, extract(epoch FROM clock_timestamp() - seen_at) AS age FROM worker
ORDER BY service, worker
"""

MADE_SECONDS = 3.0


class StatusPage:
    """Caches the page: it counts all people, and any client may request it often."""

    def __init__(
        self, rows: UnitOfWorkFactory, services: ServiceClients, not_ready: Callable[[], Coroutine[Any, Any, list[str]]]
    ) -> None:
        """`not_ready`: why the gateway itself cannot do all of its work."""
        self._rows = rows
        self._services = services
        self._not_ready = not_ready
        self._html = ""
        self._until = 0.0
        self._making = asyncio.Lock()

    async def html(self) -> str:
        """The page, a few seconds old at most."""
        async with self._making:
            if time.monotonic() >= self._until:
                self._html = await self._made()
                self._until = time.monotonic() + MADE_SECONDS
        return self._html

    async def _made(self) -> str:
        names = sorted(self._services.urls)
        answers, reasons = await asyncio.gather(
            asyncio.gather(*(self._services.ready(name) for name in names)), self._not_ready()
        )
        services: dict[str, Any] = {
            "gateway": {"status": "not ready" if reasons else "ready", "reasons": reasons},
            **dict(zip(names, answers, strict=True)),
        }
        async with self._rows.begin() as tx:
            figures = await tx.row(COUNT_ALL)
            tasks = await tx.rows(SELECT_LATEST_TASKS)
            workers = await tx.rows(SELECT_WORKERS)
        page = pages.get_template("status.html")
        return page.render(services=services, figures=figures, tasks=tasks, workers=workers)


@router.get("/", response_class=HTMLResponse)
async def status(page: Annotated[StatusPage, Depends(Provided(StatusPage))]) -> HTMLResponse:
    """Counts and states only: no names, no texts, readable without signing in; a few seconds old at most."""
    return HTMLResponse(await page.html())


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
    """Return the target of a reference within a document."""
    found = document
    for part in reference["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return found


def documentation(app: FastAPI) -> None:
    """Serve the API's documentation from a package's files."""
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
        page = get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="SchoolConnect API",
            swagger_js_url="/assets/swagger/swagger-ui-bundle.js",
            swagger_css_url="/assets/swagger/swagger-ui.css",
            swagger_favicon_url="/assets/swagger/favicon.png",
        )
        page.headers["Content-Security-Policy"] = f"{PAGE}; script-src 'self' {_hashes(bytes(page.body))}"
        return page


def _hashes(page: bytes) -> str:
    """Return the hashes by which a browser knows the scripts that are written in a page (CSP, 6.7.3.3)."""
    scripts = re.findall(rb"<script>(.*?)</script>", page, re.DOTALL)
    return " ".join(f"'sha256-{b64encode(sha256(script).digest()).decode()}'" for script in scripts)

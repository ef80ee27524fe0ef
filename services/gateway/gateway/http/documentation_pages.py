"""The documentation at `/docs`; nothing on it comes from elsewhere."""

import re
from base64 import b64encode
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import fastapi_offline
from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, PackageLoader

from gateway.http.front import PAGE
from shared.messaging import asyncapi

pages = Environment(loader=PackageLoader("gateway"), autoescape=True)


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


@cache
def _described() -> dict[str, Any]:
    """Describe the events once, when a reader asks: each start would take a quarter of a second longer."""
    return asyncapi.document()


def install(app: FastAPI) -> None:
    """Serve the API's documentation from a package's files."""
    # Swagger UI 5: what came before it shows nothing of OpenAPI 3.1.
    folder = Path(fastapi_offline.__file__).parent / "static"
    app.mount("/assets/swagger", StaticFiles(directory=folder), name="swagger")

    # Both are no coroutines, so that they run in a thread.
    @app.get("/asyncapi.json", include_in_schema=False)
    def events() -> dict[str, Any]:
        return _described()

    @app.get("/docs/events", include_in_schema=False)
    def event_docs() -> HTMLResponse:
        described = _described()
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

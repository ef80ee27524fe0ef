"""Traces: nothing of them unless a collector is set, and nothing personal in what is exported."""

import re
import sys
from pathlib import Path
from uuid import uuid4

import httpx
import orjson
import pytest
from fastapi import FastAPI
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared.errors import Refused
from shared.events import TaskCancelRequested
from shared.service.components import _tracing
from shared.service.tracing import WITHHELD, PersonalAttributes, Tracing
from shared.telemetry import add_current_message
from shared.trace_context import trace_headers
from shared.transactions.outbox import event_row

ROOT = Path(__file__).parents[2]
LOADS = re.compile(
    r"^(?:from|import) (?:opentelemetry\.(?:sdk|exporter)|faststream\.rabbit\.opentelemetry|shared\.service\.tracing)",
    re.MULTILINE,
)
"""An import that happens wherever its module is loaded; one for types only is indented."""
THEIRS = "00-11112222333344445555666677778888-1111222233334444-01"


@pytest.fixture
def exported():
    return InMemorySpanExporter()


@pytest.fixture
async def client(exported):
    """An application that answers with the headers of an outbox row, and is traced."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(PersonalAttributes())
    provider.add_span_processor(SimpleSpanProcessor(exported))
    app = FastAPI(telemetry={"metrics": False, "logs": False, "auto_configure": False, **Tracing(provider).requests})

    @app.get("/links/{token}")
    async def headers(token: str) -> dict[str, str]:
        found = orjson.loads(row().headers)
        return found | {"logged": add_current_message(None, "", {}).get("trace_id", "")}

    @app.get("/health/ready")
    async def ready() -> dict[str, str]:
        return trace_headers()

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as found:
        yield found


def row():
    return event_row(
        TaskCancelRequested(task_id=uuid4(), school_id=None, kind="made up", requested_at="2026-11-30T08:00:00Z"),
        "gateway",
        None,
    )


async def test_a_message_continues_the_trace_of_its_request(client, exported):
    theirs = {"traceparent": THEIRS, "tracestate": "x=chosen-by-a-client"}
    headers = (await client.get("/links/secret", headers=theirs)).json()
    (span,) = exported.get_finished_spans()
    trace_id = THEIRS.split("-")[1]
    assert span.name == "GET /links/{token}"
    assert headers["traceparent"] == f"00-{trace_id}-{span.context.span_id:016x}-01"
    assert headers["logged"] == trace_id
    assert "tracestate" not in headers


async def test_paths_and_what_was_searched_for_are_not_exported(client, exported):
    await client.get("/links/secret", params={"q": "Ada"})
    (span,) = exported.get_finished_spans()
    assert (span.attributes["url.path"], span.attributes["url.query"]) == (WITHHELD, WITHHELD)
    assert span.attributes["http.route"] == "/links/{token}"
    assert not [value for value in span.attributes.values() if "secret" in str(value) or "Ada" in str(value)]


async def test_questions_about_health_have_no_span(client, exported):
    assert (await client.get("/health/ready")).json() == {}
    assert exported.get_finished_spans() == ()


def test_without_a_collector_nothing_is_traced():
    assert "traceparent" not in orjson.loads(row().headers)
    assert _tracing("demo", None) is None


def test_the_libraries_are_loaded_by_nothing_but_the_module_of_a_collector():
    folders = [ROOT / "shared" / "shared", *(ROOT / "services").glob("*/[a-z]*/")]
    found = {path.name for folder in folders for path in folder.rglob("*.py") if LOADS.search(path.read_text())}
    assert found == {"tracing.py", "message_spans.py"}


def test_a_collector_without_the_libraries_refuses_the_start(monkeypatch):
    monkeypatch.delitem(sys.modules, "shared.service.tracing")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(Refused, match=r"opentelemetry\.sdk\.trace is not installed: pip install .*tracing\.txt"):
        _tracing("demo", "http://127.0.0.1:1")

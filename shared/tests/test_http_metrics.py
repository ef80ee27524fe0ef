"""The duration of HTTP requests as a metric: its labels stay few, whatever is requested."""

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from prometheus_client import generate_latest

from shared.service.http_metrics import RequestMetrics
from shared.telemetry import Metrics

NAME = "schoolconnect_http_server_request_duration_seconds_count"


@pytest.fixture
async def client():
    metrics, app = Metrics(), FastAPI()
    app.add_middleware(RequestMetrics, seconds=metrics.requests)

    @app.get("/things/{thing}")
    async def read(thing: str) -> str:
        return thing

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(iter(("data: 1\n\n",)), media_type="text/event-stream")

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("broken")

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as found:
        found.registry = metrics.registry
        yield found


def counted(client) -> dict[str, float]:
    lines = generate_latest(client.registry).decode().splitlines()
    return {line[len(NAME) :].rpartition(" ")[0]: float(line.split()[-1]) for line in lines if line.startswith(NAME)}


def labels(method: str, route: str, status: int) -> str:
    return f'{{http_request_method="{method}",http_response_status_code="{status}",http_route="{route}"}}'


async def test_ids_of_a_path_are_no_labels(client):
    for number in range(3):
        await client.get(f"/things/{number}")
    assert counted(client) == {labels("GET", "/things/{thing}", 200): 3}


async def test_unknown_paths_and_methods_share_one_series(client):
    for number in range(20):
        await client.request(f"HACK{number}", f"/no/{number}")
    assert counted(client) == {labels("_OTHER", "unmatched", 404): 20}


async def test_a_stream_is_not_measured(client):
    await client.get("/stream")
    assert counted(client) == {}


async def test_an_error_of_the_application_is_a_500(client):
    await client.get("/broken")
    assert counted(client) == {labels("GET", "/broken", 500): 1}

"""What every request passes: one form of each path, limits that no spelling evades, headers for browsers."""

import re
from base64 import b64encode
from hashlib import sha256

import httpx
import pytest

from gateway.http.front import Front
from shared.service.server import configured
from shared.telemetry import Metrics

pytestmark = pytest.mark.asyncio(loop_scope="module")

SPELLINGS = [
    "/v1/sessions\n",
    "/v1/sessions\0",
    "/v1/sessions\r\n",
    "//v1/sessions",
    "/v1//sessions",
    "/v1/./sessions",
    "/v1/x/../sessions",
    "/v1/sessions/..",
    "/v1\\sessions",
    "/v1/sessions\ufffd",
]


@pytest.mark.parametrize("path", SPELLINGS)
async def test_a_path_in_another_spelling_is_refused_before_it_is_routed(path):
    routed, sent = [], []

    async def app(scope, receive, send):
        routed.append(scope["path"])

    async def send(message):
        sent.append(message)

    await Front(app)({"type": "http", "path": path, "headers": []}, None, send)
    assert routed == []
    assert sent[0]["status"] == 400
    await Front(app)({"type": "http", "path": "/v1/notifications:preview", "headers": []}, None, send)
    assert routed == ["/v1/notifications:preview"]


@pytest.mark.parametrize("path", ["/v1/sessions%0A", "/v1/sessions%00"])
async def test_an_end_of_line_in_a_path_evades_no_limit_and_writes_nothing(gateway, path):
    url = httpx.URL("http://gateway").copy_with(raw_path=path.encode())
    answer = await gateway.client.post(url, json={"name": "ada", "password": "wrong"})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert await gateway.rows("SELECT FROM audit") == []


async def test_what_is_refused_before_it_reaches_a_route_is_counted(serve, backing):
    strange = {"Origin": "https://elsewhere.example.org", "Access-Control-Request-Method": "PUT"}
    async with serve(
        backing, cors_origins="https://app.example.org", rate_address=0.01, burst_address=1, operations_port=9000
    ) as refusing:
        server = configured(refusing.service.settings, refusing.client._transport.app)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(server.app), base_url="http://gateway") as client:
            # when
            await client.options("/v1/me", headers=strange)
            await client.get("/v1//me")
            await client.get("/v1/nowhere")
            await client.get("/metrics")  # not on this port
            for _ in range(2):
                await client.post("/v1/sessions/refresh", json={"refresh_token": "unknown"})
    # then
    assert requests_counted(refusing.service.metrics) == {
        ("OPTIONS", "unmatched", "400"): 1,
        ("GET", "unmatched", "400"): 1,
        ("GET", "unmatched", "404"): 2,
        ("POST", "/v1/sessions/refresh", "401"): 1,
        ("POST", "/v1/sessions/refresh", "429"): 1,
    }


async def test_a_connection_waits_longer_for_a_request_than_clients_and_proxies_keep_theirs(gateway):
    # given: httpx keeps a connection for 5 s, nginx and load balancers for 60
    server = configured(gateway.service.settings, gateway.client._transport.app)
    # then a request never meets a connection that the gateway is just closing
    assert server.timeout_keep_alive > 60


def requests_counted(metrics: Metrics) -> dict[tuple[str, ...], float]:
    labels = ("http_request_method", "http_route", "http_response_status_code")
    return {
        tuple(sample.labels[name] for name in labels): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "schoolconnect_http_server_request_duration_seconds_count"
    }


async def test_every_answer_has_headers_for_browsers(gateway):
    for path in ("/", "/docs", "/docs/events", "/v1/people", "/openapi.json", "/nothing"):
        headers = (await gateway.client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["x-frame-options"] == "DENY", path
        assert headers["referrer-policy"] == "no-referrer", path
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert "frame-ancestors 'none'" in headers["content-security-policy"], path
        assert "script-src 'unsafe-inline'" not in headers["content-security-policy"], path


async def test_the_documentation_runs_its_own_script_and_no_other(gateway):
    answer = await gateway.client.get("/docs")
    (script,) = re.findall(r"<script>(.*?)</script>", answer.text, re.DOTALL)
    known = b64encode(sha256(script.encode()).digest()).decode()
    assert f"'sha256-{known}'" in answer.headers["content-security-policy"]

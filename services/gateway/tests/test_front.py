"""What every request passes: one form of each path, limits that no spelling evades, headers for browsers."""

import re
from base64 import b64encode
from hashlib import sha256

import httpx
import pytest

from gateway.http.front import Front

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

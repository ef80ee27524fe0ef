"""Admission comes first: a request that is refused is answered before a byte of its body is read."""

import json
from dataclasses import dataclass
from uuid import uuid4

import pytest

from gateway.routers import ACCESS

pytestmark = pytest.mark.asyncio(loop_scope="module")

BROKEN = {"no JSON": b"{", "not UTF-8": b"\xff", "wrong": json.dumps({"type": 7}).encode(), "huge": b" " * 2_000_000}
WRITES = sorted(route for route, access in ACCESS.items() if access.roles is not None and route[0] != "GET")


@pytest.mark.parametrize("route", [r for r in WRITES if not r[1].startswith("/v1/imports")], ids=" ".join)
async def test_seed_23_a_broken_body_without_a_token_is_401_and_with_the_wrong_role_403(gateway, route):
    method, path = route
    path = path.replace("{", "").replace("}", "")
    headers = {"Content-Type": "application/json"}
    for name, content in BROKEN.items():
        answer = await gateway.client.request(method, path, headers=headers, content=content)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), name
        if "student" not in ACCESS[route].roles:
            refused = await gateway.ask(method, path, "student", uuid4(), uuid4(), headers, content=content)
            assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), name


@dataclass
class Asked:
    """An answer, and how much of the body was read for it."""

    status: int
    headers: dict[bytes, bytes]
    reads: int


async def asked(gateway, method, path, token=None):
    """Ask for a path as it is: HTTP clients put paths in order before they send them."""
    sent, reads = [], []

    async def receive():
        reads.append(path)
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "query_string": b"",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "client": ("127.0.0.1", 7),
        "headers": [(b"authorization", f"Bearer {token}".encode()), (b"content-type", b"application/json")],
        "server": ("gateway", 80),
    }
    await gateway.client._transport.app(scope, receive, send)
    return Asked(sent[0]["status"], dict(sent[0]["headers"]), len(reads))


async def test_a_refused_request_is_answered_before_its_body_is_read(backing, serve):
    async with serve(backing, rate_caller=0.01, burst_caller=1) as gateway:
        school = await gateway.add_school()
        staff, student = gateway.token("staff", school, uuid4()), gateway.token("student", school, uuid4())
        path = "/v1/notifications"
        answers = [await asked(gateway, "PUT", path, staff), await asked(gateway, "POST", path)]
        answers += [await asked(gateway, "POST", path, token) for token in (student, staff, staff)]
    assert [(answer.status, answer.reads) for answer in answers] == [(405, 0), (401, 0), (403, 0), (422, 1), (429, 0)]


@pytest.mark.parametrize(
    ("method", "path", "answer"),
    [
        ("PATCH", "/v1/schedules/preview", (405, "POST")),
        ("DELETE", "/v1/tasks/events", (405, "GET")),
        ("DELETE", "/v1/tasks/7", (405, "GET")),
        ("GET", "/v1/tasks/7/more", (404, "")),
        ("GET", "/v1//tasks", (400, "")),
        ("GET", "/v1/tasks/", (404, "")),
        ("GET", "/v1/tasks/../failures", (400, "")),
        ("GET", "/v1/tasks/%2e%2e/failures", (404, "")),
        ("GET", "/v1/tasks/..", (400, "")),
    ],
)
async def test_a_path_is_one_route_or_none(gateway, method, path, answer):
    """One router decides; a path that is a route by itself is not the parameter of another."""
    found = await asked(gateway, method, path, gateway.token("staff", uuid4(), uuid4()))
    assert (found.status, found.headers.get(b"allow", b"").decode()) == answer


@pytest.mark.parametrize("path", ["/v1/sessions/refresh%0A", "/v1/keys%0A"])
async def test_a_line_end_after_a_path_is_no_route(gateway, path):
    """`$` matches before a last line end: without the check of spellings the route would be found."""
    answer = await gateway.client.post(path, json={"refresh_token": "unknown"})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize("path", ["/v1/templates/%00", "/v1/people/%00/memberships/staff%00"])
async def test_a_nul_in_a_path_is_refused_before_it_is_routed(gateway, path):
    school, person = await gateway.add_school(), uuid4()
    answer = await gateway.ask("DELETE", path, "school_admin", school, person)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert await gateway.rows("SELECT FROM audit WHERE person_id = %s", (person,)) == []


async def test_two_tokens_are_none(gateway):
    token = f"Bearer {gateway.token('platform_admin')}"
    answer = await gateway.client.get("/v1/schools", headers=[("Authorization", token), ("Authorization", token)])
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")

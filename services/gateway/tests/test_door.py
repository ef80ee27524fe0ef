"""The door comes first: whoever may not is told so before a byte of the body is looked at."""

import json
from uuid import uuid4

import pytest

from gateway.security.access_control import ACCESS
from gateway.security.admission import Routes

pytestmark = pytest.mark.asyncio(loop_scope="module")

BROKEN = {"no JSON": b"{", "not UTF-8": b"\xff", "wrong": json.dumps({"type": 7}).encode(), "huge": b" " * 2_000_000}
WRITES = sorted(route for route in ACCESS if route[0] != "GET")


@pytest.mark.parametrize("route", [r for r in WRITES if not r[1].startswith("/v1/imports")], ids=" ".join)
async def test_seed_23_a_broken_body_without_a_token_is_401_and_with_the_wrong_role_403(gateway, route):
    method, path = route
    path = path.replace("{", "").replace("}", "")
    headers = {"Content-Type": "application/json"}
    for name, content in BROKEN.items():
        answer = await gateway.client.request(method, path, headers=headers, content=content)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), name
        if "student" not in ACCESS[route]:
            refused = await gateway.ask(method, path, "student", uuid4(), uuid4(), headers, content=content)
            assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), name


async def test_a_fixed_path_comes_before_a_parameter():
    routes = Routes(frozenset({("GET", "/v1/tasks/{task_id}"), ("GET", "/v1/tasks/events")}))
    assert routes.find("GET", "/v1/tasks/events") == (("GET", "/v1/tasks/events"), {})
    assert routes.find("GET", "/v1/tasks/7") == (("GET", "/v1/tasks/{task_id}"), {"task_id": "7"})
    assert routes.find("GET", "/v1/tasks/7/more") is None
    assert routes.find("POST", "/v1/tasks/7") is None


async def test_a_table_of_routes_that_the_application_answers_otherwise_is_shut(gateway):
    """The door and the router must mean the same route: a path that only one of them knows is answered 4xx."""
    for path in ("/v1//tasks", "/v1/tasks/", "/v1/tasks/%2e%2e/failures", "/v1/tasks/../failures"):
        answer = await gateway.ask("GET", path, "staff", uuid4(), uuid4())
        assert answer.status_code in (403, 404, 422)


async def test_two_tokens_are_none(gateway):
    token = f"Bearer {gateway.token('platform_admin')}"
    answer = await gateway.client.get("/v1/schools", headers=[("Authorization", token), ("Authorization", token)])
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")

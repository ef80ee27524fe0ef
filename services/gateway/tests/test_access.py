"""Who may: every route, every role, every kind of token, generated from the table that the code itself uses."""

import re
from typing import get_args
from uuid import uuid4

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts

from gateway import problems
from gateway.http.guarded_route import GuardedRoute, access_table
from gateway.routers import ACCESS, CONSOLE_ACCESS
from gateway.security.access_control import EVERYBODY, STAFF, allow, public
from shared.errors import NoSchool
from shared.events.values import Role

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROLES = get_args(Role)
ROUTES = sorted(route for route, access in ACCESS.items() if access.roles is not None)

OWNED = (
    "INSERT INTO contact VALUES (%(person)s, 'mail', 'ada@example.org')",
    "INSERT INTO device (token, person_id, platform) VALUES (%(token)s, %(person)s, 'web')",
    "INSERT INTO preference VALUES (%(person)s, 'general', 'mail', false)",
    "INSERT INTO student (school_id, student_id) VALUES (%(school)s, %(person)s)",
    "INSERT INTO guardianship (school_id, student_id, guardian_id) VALUES (%(school)s, %(person)s, %(person)s)",
)


def concrete(route):
    return re.sub(r"{(\w+)}", lambda found: "student" if found[1] == "role" else str(uuid4()), route)


@pytest.mark.parametrize(("method", "route"), ROUTES)
async def test_seed_21_a_route_is_for_the_roles_in_the_table(gateway, method, route):
    for role in ROLES:
        # when
        answer = await gateway.ask(method, concrete(route), role, uuid4(), uuid4())
        # then
        assert answer.status_code != 401
        assert (answer.status_code == 403) == (role not in ACCESS[method, route].roles), role
        if answer.status_code == 403:
            assert answer.json()["code"] == "forbidden"


@pytest.mark.parametrize(("method", "route"), ROUTES)
async def test_seed_23_without_a_valid_token_nothing_is_answered(gateway, method, route):
    # given
    token = gateway.token("platform_admin")
    header, body, _ = token.split(".")
    values = {
        "none": "",
        "basic": f"Basic {token}",
        "garbage": "Bearer x.y.z",
        "expired": f"Bearer {gateway.token('platform_admin', minutes=-1)}",
        "internal": f"Bearer {gateway.token('platform_admin', use='internal')}",
        "unsigned": f"Bearer {header}.{body}.",
        "foreign key": f"Bearer {header}.{body}.{'A' * 86}",
    }
    for kind, value in values.items():
        # when
        headers = {"Authorization": value} if value else {}
        answer = await gateway.client.request(method, concrete(route), headers=headers)
        # then
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), kind
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("role", [role for role in ROLES if role != "platform_admin"])
async def test_a_role_of_one_school_needs_a_token_of_that_school(gateway, role):
    answer = await gateway.ask("PUT", "/v1/me/devices", role, school=None, person=uuid4())
    assert answer.status_code == 403


OPEN = {
    "/",
    "/docs",
    "/docs/events",
    "/openapi.json",
    "/asyncapi.json",
    "/health/live",
    "/health/ready",
    "/health/status",
    "/metrics",
}
"""Pages and what an operator asks: no route of the API."""


async def test_the_table_is_that_of_the_application_and_nothing_else_is_open(gateway):
    routes = gateway.client._transport.app.routes
    assert access_table(routes) == ACCESS | CONSOLE_ACCESS
    served = {
        (method, each.path.replace(":path}", "}"))
        for each in iter_route_contexts(routes)
        for method in each.methods or ()
    }
    assert {path for method, path in served - set(ACCESS | CONSOLE_ACCESS) if method != "HEAD"} == OPEN


async def test_a_route_that_does_not_say_who_may_use_it_is_not_built():
    for marks in ([], [allow(STAFF), public()]):
        with pytest.raises(TypeError, match="/v1/new must have one access mark"):
            APIRouter(route_class=GuardedRoute).get("/v1/new", dependencies=marks)(lambda: None)
    with pytest.raises(LookupError, match="new:read is not one of SCOPES"):
        allow(STAFF, scope="new:read")


async def test_a_mark_on_a_route_of_another_kind_lets_nothing_in(gateway):
    application = FastAPI()

    @application.get("/v1/unguarded", dependencies=[allow(EVERYBODY)])
    async def unguarded():
        return "open"

    problems.install(application)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://x") as client:
        signed = {"Authorization": f"Bearer {gateway.token('platform_admin')}"}
        assert (await client.get("/v1/unguarded", headers=signed)).status_code == 403


@pytest.mark.parametrize("path", ["/v1/people", "/v1/notifications"])
async def test_seed_20_who_belongs_to_no_school_has_to_name_one(gateway, path):
    answer = await gateway.ask("GET", path)
    assert (answer.status_code, answer.json()["code"]) == (400, "school_needed")


async def test_seed_20_a_notification_without_a_school_is_refused(gateway):
    body = {"type": "general", "title": "Closed", "body": "Snow", "audience": {"school": True}}
    answer = await gateway.ask("POST", "/v1/notifications", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "school_needed")
    assert await gateway.one("SELECT count(*) FROM intent") == 0


@pytest.mark.parametrize(
    "table", ["school", "person", "membership", "contact", "device", "preference", "student", "guardianship"]
)
async def test_seed_20_the_database_refuses_a_request_that_is_bound_to_no_school(gateway, table):
    # given
    school = await gateway.add_school()
    person = await gateway.add_person(school)
    async with gateway.service.transactions.begin() as tx:
        for statement in OWNED:
            await tx.execute(statement, {"person": person, "school": school, "token": f"token-{person}"})
    # then
    with pytest.raises(NoSchool):
        async with gateway.service.transactions.request(None) as tx:
            await tx.rows(f"SELECT * FROM {table}")


@pytest.mark.parametrize("table", ["task", "intent", "idempotency_key", "failure", "import_job", "worker"])
async def test_seed_21_what_belongs_to_the_group_is_hidden_from_a_school(gateway, table):
    async with gateway.service.transactions.request(uuid4()) as tx:
        assert await tx.rows(f"SELECT * FROM {table}") == []

"""API keys: what they may, until when, and that nothing of their secret is kept."""

import datetime as dt
from uuid import uuid4

import pytest
import pytest_asyncio

from gateway.routers import ACCESS
from gateway.security.access_control import SCOPES

pytestmark = pytest.mark.asyncio(loop_scope="module")

BODY = {"type": "general", "title": "Closed", "body": "Snow", "audience": {"school": True}}


@pytest_asyncio.fixture(loop_scope="module")
async def school(gateway):
    return await gateway.add_school()


async def make(gateway, school, *scopes, role="staff", **more):
    body = {"name": "Bus company", "role": role, "scopes": list(scopes)} | more
    return await gateway.ask("POST", "/v1/keys", "school_admin", school, uuid4(), json=body)


async def use(gateway, key, method, path, **more):
    return await gateway.client.request(method, path, headers={"Authorization": f"Bearer {key['secret']}"}, **more)


async def test_a_key_may_what_its_role_and_its_scopes_cover(gateway, school):
    key = (await make(gateway, school, "people:read", "failures:read")).json()
    other = await gateway.add_school()
    theirs = await gateway.add_person(other)
    assert (await use(gateway, key, "GET", "/v1/people")).status_code == 200
    assert (await use(gateway, key, "GET", "/v1/people", params={"school": str(other)})).status_code == 404
    assert str(theirs) not in (await use(gateway, key, "GET", "/v1/people")).text
    for method, path in (("GET", "/v1/tasks"), ("POST", "/v1/notifications"), ("GET", "/v1/failures")):
        refused = await use(gateway, key, method, path, json=BODY)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    sender = (await make(gateway, school, "notifications:write")).json()
    assert (await use(gateway, sender, "POST", "/v1/notifications", json=BODY)).status_code == 202


async def test_the_secret_is_shown_once_and_not_kept(gateway, school):
    made = await make(gateway, school, "people:read")
    key = made.json()
    assert (made.status_code, made.headers["location"]) == (201, f"/v1/keys/{key['id']}")
    read = await gateway.ask("GET", made.headers["location"], "school_admin", school, uuid4())
    assert key["secret"] not in read.text
    assert key["secret"].endswith(read.json()["hint"])
    (row,) = await gateway.rows("SELECT to_jsonb(k)::text AS row FROM api_key k WHERE key_id = %s", (key["id"],))
    assert key["secret"] not in row["row"]


async def test_a_revoked_key_is_refused_at_once_and_the_last_use_is_known(gateway, school):
    key = (await make(gateway, school, "people:read")).json()
    assert (await use(gateway, key, "GET", "/v1/people")).status_code == 200
    path = f"/v1/keys/{key['id']}"
    assert (await gateway.ask("GET", path, "school_admin", school, uuid4())).json()["last_used_at"] is not None
    for _ in range(2):
        assert (await gateway.ask("DELETE", path, "school_admin", school, uuid4())).status_code == 204
    assert (await use(gateway, key, "GET", "/v1/people")).status_code == 401


async def test_a_key_that_is_over_is_refused(gateway, school, admin):
    soon = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)).isoformat()
    key = (await make(gateway, school, "people:read", expires_at=soon)).json()
    admin.execute("UPDATE gateway.api_key SET expires_at = now() WHERE key_id = %s", (key["id"],))
    assert (await use(gateway, key, "GET", "/v1/people")).status_code == 401
    past = (dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)).isoformat()
    assert (await make(gateway, school, "people:read", expires_at=past)).status_code == 422


async def test_a_change_needs_the_version_that_was_read(gateway, school):
    made = await make(gateway, school, "people:read")
    path = made.headers["location"]

    async def change(**headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await gateway.ask("PATCH", path, "school_admin", school, uuid4(), named, json={"name": "Canteen"})

    needed, changed, stale = await change(), await change(if_match=made.headers["etag"]), await change(if_match='"1"')
    assert (needed.status_code, needed.json()["code"]) == (428, "precondition_needed")
    assert (changed.status_code, changed.json()["name"], changed.headers["etag"]) == (200, "Canteen", '"2"')
    assert (stale.status_code, stale.json()["code"], stale.json()["version"]) == (412, "stale", 2)


async def test_another_schools_keys_do_not_exist(gateway, school):
    path, other = (await make(gateway, school, "people:read")).headers["location"], await gateway.add_school()
    for method, more in (
        ("GET", {}),
        ("DELETE", {}),
        ("PATCH", {"json": {"name": "x"}, "headers": {"If-Match": '"1"'}}),
    ):
        assert (await gateway.ask(method, path, "school_admin", other, uuid4(), **more)).status_code == 404
    listed = await gateway.ask("GET", "/v1/keys", "school_admin", other, uuid4())
    assert listed.json()["items"] == []


async def test_a_key_makes_no_keys_and_no_school_makes_keys_of_the_group(gateway, school):
    key = (await make(gateway, school, "people:write", role="school_admin")).json()
    body = {"name": "More", "scopes": ["people:read"]}
    assert (await use(gateway, key, "POST", "/v1/keys", json=body)).status_code == 403
    assert (await use(gateway, key, "POST", f"/v1/people/{uuid4()}/invitations")).status_code == 403
    assert (await make(gateway, school, "people:read", role="platform_admin")).status_code == 403
    made = await gateway.ask("POST", "/v1/keys", json=body | {"role": "platform_admin", "scopes": ["workers:read"]})
    assert (await use(gateway, made.json(), "GET", "/v1/workers")).status_code == 200


@pytest.mark.parametrize("secret", ["sck_", "sck_unknown", "sck_" + "x" * 43])
async def test_an_unknown_key_is_refused(gateway, secret):
    assert (await use(gateway, {"secret": secret}, "GET", "/v1/people")).status_code == 401


async def test_every_route_has_a_scope_but_those_of_the_caller_and_those_that_make_keys_or_accounts():
    scopes = {route: access.scope for route, access in ACCESS.items() if access.roles is not None}
    own = {route for route in scopes if f"{route[1]}/".startswith("/v1/me/")}
    assert {route for route, scope in scopes.items() if scope is None} == own | {
        ("POST", "/v1/keys"),
        ("PATCH", "/v1/keys/{key_id}"),
        ("DELETE", "/v1/keys/{key_id}"),
        ("POST", "/v1/administrators"),
        ("DELETE", "/v1/administrators/{person_id}"),
        ("POST", "/v1/people/{person_id}/invitations"),
        ("POST", "/v1/people/{person_id}/export"),  # all that is stored about a person
        ("POST", "/v1/imports/{task_id}/confirm"),  # a person's decision, as the next two
        ("POST", "/v1/approvals/{approval_id}/approve"),
        ("POST", "/v1/approvals/{approval_id}/refuse"),
    }
    assert set(scopes.values()) - {None} == set(SCOPES)

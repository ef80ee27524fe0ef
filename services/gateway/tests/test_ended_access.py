"""Access ends with what it stands on: sessions, keys and streams do not outlive a role, a person, or their maker."""

import datetime as dt
import time
from uuid import uuid4

import pytest
import pytest_asyncio

from shared.http.tokens import Claims, sign

pytestmark = pytest.mark.asyncio(loop_scope="module")

PASSWORD = "a long demo password"
DEVICE = {"token": "demo-token", "platform": "android"}


@pytest_asyncio.fixture(loop_scope="module")
async def school(gateway):
    return await gateway.add_school()


async def signed_in(gateway, school, role="school_admin"):
    """A person with a session: their id and the session."""
    person, name = await gateway.add_person(school, role), f"user-{uuid4().hex[:8]}"
    invited = await gateway.ask("POST", f"/v1/people/{person}/invitations")
    body = {"token": invited.json()["token"], "name": name, "password": PASSWORD}
    assert (await gateway.client.post("/v1/invitations/accept", json=body)).status_code == 204
    answer = await gateway.client.post("/v1/sessions", json={"name": name, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return person, answer.json()


async def ask(gateway, session, method="GET", path="/v1/me/devices", **more):
    token = session.get("access_token") or session["secret"]
    return await gateway.client.request(method, path, headers={"Authorization": f"Bearer {token}"}, **more)


async def end_membership(gateway, school, person, session):
    path = f"/v1/people/{person}/memberships/school_admin"
    return await gateway.ask("DELETE", path, params={"school": str(school)})


async def erase(gateway, school, person, session):
    return await gateway.ask("DELETE", f"/v1/people/{person}")


async def deactivate(gateway, school, person, session):
    params = {"school": str(school)}
    return await gateway.ask("PATCH", f"/v1/people/{person}", params=params, json={"active": False})


async def sign_out(gateway, school, person, session):
    return await gateway.client.post("/v1/sessions/end", json={"refresh_token": session["refresh_token"]})


async def change_password(gateway, school, person, session):
    change = {"old": PASSWORD, "new": "another long password"}
    return await ask(gateway, session, "PUT", "/v1/me/password", json=change)


@pytest.mark.parametrize("end", [end_membership, erase, deactivate, sign_out, change_password])
async def test_a_token_ends_at_once_with_its_session_role_or_person(gateway, school, end):
    person, session = await signed_in(gateway, school)
    assert (await ask(gateway, session)).status_code == 200
    assert (await end(gateway, school, person, session)).is_success
    refused = await ask(gateway, session)
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize("end", [end_membership, erase, deactivate])
async def test_a_key_ends_at_once_with_the_person_who_made_it(gateway, school, end):
    person, session = await signed_in(gateway, school)
    body = {"name": "Bus company", "scopes": ["people:read"]}
    key = (await ask(gateway, session, "POST", "/v1/keys", json=body)).json()
    assert (await ask(gateway, key, path="/v1/people")).status_code == 200
    assert (await end(gateway, school, person, session)).is_success
    assert (await ask(gateway, key, path="/v1/people")).status_code == 401


async def test_a_key_without_an_end_gets_one(gateway, school):
    body = {"name": "Bus company", "scopes": ["people:read"]}
    key = (await gateway.ask("POST", "/v1/keys", "school_admin", school, uuid4(), json=body)).json()
    left = dt.datetime.fromisoformat(key["expires_at"]) - dt.datetime.now(dt.UTC)
    assert dt.timedelta(days=364) < left < dt.timedelta(days=366)


async def test_a_key_makes_no_administrator(gateway, school):
    body = {"name": "Office", "role": "school_admin", "scopes": ["people:read", "people:write"]}
    key = (await gateway.ask("POST", "/v1/keys", "school_admin", school, uuid4(), json=body)).json()
    person = {"given_name": "Ada", "family_name": "Demo", "memberships": [{"role": "school_admin"}]}
    made = await ask(gateway, key, "POST", "/v1/people", json=person)
    assert (made.status_code, made.json()["code"]) == (403, "forbidden")
    someone = await gateway.add_person(school, "staff")
    path = f"/v1/people/{someone}/memberships"
    assert (await ask(gateway, key, "PUT", path, json={"role": "school_admin"})).status_code == 403
    assert (await ask(gateway, key, "PUT", path, json={"role": "teacher"})).status_code == 200


async def test_an_erased_person_cannot_store_a_device(gateway, school):
    person, session = await signed_in(gateway, school)
    assert (await ask(gateway, session, "PUT", json=DEVICE)).status_code == 200
    assert (await erase(gateway, school, person, session)).is_success
    assert (await ask(gateway, session, "PUT", json=DEVICE)).status_code == 401
    # by the group's list of devices it is refused as well
    named = {"devices": [DEVICE | {"person": {"id": str(person)}}]}
    assert (await gateway.ask("POST", "/v1/devices:bulk", json=named)).status_code == 404
    assert await gateway.rows("SELECT token FROM device WHERE person_id = %s", (person,)) == []


async def test_what_gives_lasting_access_needs_a_sign_in_of_the_last_minutes(gateway, school):
    person, session = await signed_in(gateway, school)
    (row,) = await gateway.rows("SELECT family FROM refresh_token WHERE person_id = %s", (person,))
    body = {"name": "Bus company", "scopes": ["people:read"]}
    for age, status in ((60, 201), (3_600, 403)):
        moment = dt.datetime.fromtimestamp(time.time() - age, dt.UTC)
        claims = Claims(person=person, role="school_admin", school=school, session=row["family"], signed_in=moment)
        token = {"access_token": sign(gateway.key, claims, dt.timedelta(minutes=5))}
        made = await ask(gateway, token, "POST", "/v1/keys", json=body)
        assert made.status_code == status
    assert made.json()["code"] == "sign_in_again"
    # a renewal is no sign-in
    renewed = await gateway.client.post("/v1/sessions/refresh", json={"refresh_token": session["refresh_token"]})
    assert renewed.status_code == 200
    assert (await ask(gateway, renewed.json(), "POST", "/v1/keys", json=body)).status_code == 201
    await gateway.rows(
        "UPDATE refresh_token SET issued_at = issued_at - interval '1 hour' WHERE person_id = %s RETURNING 1", (person,)
    )
    again = {"refresh_token": renewed.json()["refresh_token"]}
    renewed = await gateway.client.post("/v1/sessions/refresh", json=again)
    assert (await ask(gateway, renewed.json(), "POST", "/v1/keys", json=body)).status_code == 403


async def test_a_token_of_a_session_that_does_not_exist_is_refused(gateway, school):
    claims = Claims(person=uuid4(), role="staff", school=school, session=uuid4(), signed_in=dt.datetime.now(dt.UTC))
    token = {"access_token": sign(gateway.key, claims, dt.timedelta(minutes=5))}
    assert (await ask(gateway, token)).status_code == 401

"""Signing in: by invitation and password, again and again, out; what is tried too often has to wait."""

import asyncio
from uuid import uuid4

import pytest
import pytest_asyncio

from gateway.accounts import passwords

pytestmark = pytest.mark.asyncio(loop_scope="module")

PASSWORD = "a long demo password"


async def post(gateway, path, **body):
    return await gateway.client.post(f"/v1/{path}", json=body)


async def account(gateway, school, role="school_admin", name=None):
    """Somebody of a school who can sign in: their id and name."""
    person, name = await gateway.add_person(school, role), name or f"user-{uuid4().hex[:8]}"
    invitation = await gateway.ask("POST", f"/v1/people/{person}/invitations")
    assert invitation.status_code == 201, invitation.text
    accepted = await post(gateway, "invitations/accept", token=invitation.json()["token"], name=name, password=PASSWORD)
    assert accepted.status_code == 204, accepted.text
    return person, name


@pytest_asyncio.fixture(loop_scope="module")
async def school(gateway):
    return await gateway.add_school()


async def asked(gateway, session):
    headers = {"Authorization": f"Bearer {session['access_token']}"}
    return await gateway.client.get("/v1/people", headers=headers)


async def test_an_invitation_sets_the_password_that_signs_in(gateway, school):
    person, name = await account(gateway, school)
    # when
    answer = await post(gateway, "sessions", name=name.upper(), password=PASSWORD)
    # then
    session = answer.json()
    assert (answer.status_code, session["role"], session["school_id"]) == (200, "school_admin", str(school))
    assert session["person_id"] == str(person)
    assert (await asked(gateway, session)).status_code == 200
    stored = await gateway.one("SELECT hash FROM account WHERE person_id = %s", (person,))
    assert stored.startswith("$argon2id$")


async def test_an_invitation_is_good_once_and_for_a_while(gateway, school, admin):
    person = await gateway.add_person(school)
    token = (await gateway.ask("POST", f"/v1/people/{person}/invitations")).json()["token"]
    admin.execute("UPDATE gateway.invitation SET expires_at = now() WHERE person_id = %s", (person,))
    for each in (token, "unknown"):
        answer = await post(gateway, "invitations/accept", token=each, name=uuid4().hex, password=PASSWORD)
        assert (answer.status_code, answer.json()["code"]) == (401, "credentials_refused")
    admin.execute("UPDATE gateway.invitation SET expires_at = now() + interval '1 day' WHERE person_id = %s", (person,))
    for status in (204, 401):
        answer = await post(gateway, "invitations/accept", token=token, name=f"n-{person}", password=PASSWORD)
        assert answer.status_code == status


async def test_a_name_or_address_of_another_person_is_refused(gateway, school):
    _, name = await account(gateway, school)
    person = await gateway.add_person(school)
    token = (await gateway.ask("POST", f"/v1/people/{person}/invitations")).json()["token"]
    for taken in (name, "someone@example.org"):
        answer = await post(gateway, "invitations/accept", token=token, name=taken, password=PASSWORD)
        assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", "name"])
    # then the invitation is still good
    assert (await post(gateway, "invitations/accept", token=token, name=uuid4().hex, password=PASSWORD)).is_success


async def test_a_school_admin_invites_only_whom_they_could_be_anyway(gateway, school):
    other = await gateway.add_school()
    person, stranger = await gateway.add_person(school), await gateway.add_person(other)
    shared = await gateway.add_person(school)
    async with gateway.service.transactions.begin() as tx:
        query = "INSERT INTO membership (person_id, school_id, role) VALUES (%s, %s, 'staff')"
        await tx.execute(query, (shared, other))
    for who, status in ((person, 201), (stranger, 404), (uuid4(), 404), (shared, 403)):
        answer = await gateway.ask("POST", f"/v1/people/{who}/invitations", "school_admin", school, uuid4())
        assert answer.status_code == status


async def test_seed_23_an_unknown_name_and_a_wrong_password_are_the_same_answer_and_wait_alike(gateway, school):
    _, name = await account(gateway, school)
    seen = {}
    for each in (name, f"nobody-{uuid4().hex}"):
        answers = [await post(gateway, "sessions", name=each, password="wrong") for _ in range(6)]
        seen[each] = [(answer.status_code, answer.text) for answer in answers]
        assert int(answers[-1].headers["retry-after"]) >= 1
        # the right password has to wait as well
        assert (await post(gateway, "sessions", name=each, password=PASSWORD)).status_code == 429
    mine, nobodys = seen.values()
    assert mine == nobodys
    assert [status for status, _ in mine] == [401] * 5 + [429]


async def test_failures_elsewhere_make_neither_a_known_device_nor_a_password_change_wait(gateway, school):
    person, name = await account(gateway, school)
    session = (await post(gateway, "sessions", name=name, password=PASSWORD)).json()
    # when: a stranger guesses, by the name and by the person's id
    for each in (str(person), name):  # the wait is 5 s: the name comes last
        for _ in range(6):
            await post(gateway, "sessions", name=each, password="wrong")
    # then
    assert (await post(gateway, "sessions", name=name, password=PASSWORD)).status_code == 429
    known = {"name": name, "device_token": session["device_token"]}
    assert (await post(gateway, "sessions", **known, password=PASSWORD)).status_code == 200
    change = {"old": PASSWORD, "new": "another long password"}
    changed = await gateway.ask("PUT", "/v1/me/password", "school_admin", school, person, json=change)
    assert changed.status_code == 204
    # and a known device has no more attempts than others
    answers = [await post(gateway, "sessions", **known, password="wrong") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]


async def test_guesses_at_the_same_moment_are_no_more_than_one_after_another(gateway, monkeypatch):
    monkeypatch.setattr(passwords, "PATIENCE_SECONDS", 60.0)  # a busy machine hashes slowly
    name = f"nobody-{uuid4().hex}"
    answers = await asyncio.gather(*(post(gateway, "sessions", name=name, password="wrong") for _ in range(12)))
    assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 7


async def test_a_refresh_token_is_good_once_and_a_second_use_ends_the_session_everywhere(gateway, school):
    _, name = await account(gateway, school)
    first = (await post(gateway, "sessions", name=name, password=PASSWORD)).json()
    second = await post(gateway, "sessions/refresh", refresh_token=first["refresh_token"])
    assert second.status_code == 200
    assert (await asked(gateway, second.json())).status_code == 200
    # when
    stolen = await post(gateway, "sessions/refresh", refresh_token=first["refresh_token"])
    # then
    assert (stolen.status_code, stolen.json()["code"]) == (401, "credentials_refused")
    assert (await post(gateway, "sessions/refresh", refresh_token=second.json()["refresh_token"])).status_code == 401
    other = (await post(gateway, "sessions", name=name, password=PASSWORD)).json()
    assert (await post(gateway, "sessions/refresh", refresh_token=other["refresh_token"])).status_code == 200


async def test_of_two_refreshes_at_once_one_is_answered(gateway, school):
    _, name = await account(gateway, school)
    token = (await post(gateway, "sessions", name=name, password=PASSWORD)).json()["refresh_token"]
    answers = await asyncio.gather(*(post(gateway, "sessions/refresh", refresh_token=token) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 4


async def test_signing_out_and_a_new_password_end_sessions(gateway, school):
    person, name = await account(gateway, school)
    one, two = [(await post(gateway, "sessions", name=name, password=PASSWORD)).json() for _ in range(2)]
    assert (await post(gateway, "sessions/end", refresh_token=one["refresh_token"])).status_code == 204
    assert (await post(gateway, "sessions/refresh", refresh_token=one["refresh_token"])).status_code == 401
    # when
    change = {"old": "not it", "new": "another long password"}
    refused = await gateway.ask("PUT", "/v1/me/password", "school_admin", school, person, json=change)
    changed = await gateway.ask(
        "PUT", "/v1/me/password", "school_admin", school, person, json=change | {"old": PASSWORD}
    )
    # then
    assert (refused.status_code, changed.status_code) == (403, 204)
    assert (await post(gateway, "sessions/refresh", refresh_token=two["refresh_token"])).status_code == 401
    assert (await post(gateway, "sessions", name=name, password="another long password")).status_code == 200


async def test_who_has_several_roles_says_which_and_may_change_it(gateway, school):
    person, name = await account(gateway, school, "teacher")
    other = await gateway.add_school()
    async with gateway.service.transactions.begin() as tx:
        query = "INSERT INTO membership (person_id, school_id, role) VALUES (%s, %s, 'guardian')"
        await tx.execute(query, (person, other))
    # when
    answer = await post(gateway, "sessions", name=name, password=PASSWORD)
    # then
    assert (answer.status_code, answer.json()["code"]) == (422, "membership_needed")
    listed = {(m["school_id"], m["role"]) for m in answer.json()["memberships"]}
    assert listed == {(str(school), "teacher"), (str(other), "guardian")}
    chosen = await post(gateway, "sessions", name=name, password=PASSWORD, role="teacher")
    assert chosen.json()["school_id"] == str(school)
    moved = await post(gateway, "sessions/refresh", refresh_token=chosen.json()["refresh_token"], school=str(other))
    assert moved.json()["role"] == "guardian"
    never = await post(gateway, "sessions", name=name, password=PASSWORD, role="school_admin")
    assert never.status_code == 403


async def test_a_membership_that_has_ended_opens_and_renews_no_session(gateway, school, admin):
    person, name = await account(gateway, school)
    session = (await post(gateway, "sessions", name=name, password=PASSWORD)).json()
    admin.execute("UPDATE gateway.membership SET ends = current_date - 1 WHERE person_id = %s", (person,))
    assert (await post(gateway, "sessions", name=name, password=PASSWORD)).status_code == 403
    assert (await post(gateway, "sessions/refresh", refresh_token=session["refresh_token"])).status_code == 403


async def test_the_first_administrator_comes_by_invitation(gateway):
    names = {"given_name": "Ada", "family_name": "Demo"}
    made = await gateway.ask("POST", "/v1/administrators", json=names)
    name = f"root-{uuid4().hex[:8]}"
    await post(gateway, "invitations/accept", token=made.json()["token"], name=name, password=PASSWORD)
    session = (await post(gateway, "sessions", name=name, password=PASSWORD)).json()
    assert (session["role"], session["school_id"]) == ("platform_admin", None)
    headers = {"Authorization": f"Bearer {session['access_token']}"}
    assert (await gateway.client.get("/v1/administrators", headers=headers)).status_code == 200
    path = f"/v1/administrators/{session['person_id']}"
    assert (await gateway.client.delete(path, headers=headers)).json()["code"] == "conflict"
    assert (await gateway.ask("DELETE", path)).status_code == 204
    assert (await post(gateway, "sessions", name=name, password=PASSWORD)).status_code == 403


@pytest.mark.parametrize(
    "body", [{}, {"name": "ada"}, {"password": "x"}, {"name": "ada", "password": "x", "firebase_token": "y"}]
)
async def test_half_a_sign_in_is_a_problem(gateway, body):
    answer = await post(gateway, "sessions", **body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")

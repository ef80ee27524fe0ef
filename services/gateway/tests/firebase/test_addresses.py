"""Which account an address of a Firebase user opens: never one that the address alone should not open."""

from uuid import uuid4

import pytest

from services.gateway.tests.firebase.users import become, known, sign_in, token

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOTICES = """
SELECT data::jsonb AS data FROM outbox WHERE routing_key = 'notification.requested'
  AND data::jsonb -> 'audience' -> 'people' ? %s ORDER BY position
"""


async def test_one_schools_word_does_not_decide_who_signs_in_at_another(firebase, google):
    """An administrator of one school writes an address of their own to a guardian of two."""
    # given
    school, person = await known(firebase, f"{uuid4().hex}@example.org")
    other = await firebase.add_school()
    join = "INSERT INTO membership (person_id, school_id, role) VALUES (%s, %s, 'guardian') RETURNING role"
    await firebase.rows(join, (person, other))
    mine = f"{uuid4().hex}@example.org"
    assert (await become(firebase, school, person, mine)).status_code == 200
    # when, then
    encoded = token(google[1], sub=uuid4().hex, email=mine, email_verified=True)
    assert (await sign_in(firebase, encoded)).status_code == 401


async def test_an_account_that_one_school_vouches_for_opens_that_school_only(firebase, google):
    # given: the first sign-in by an address, while the person belongs to one school
    mine = f"{uuid4().hex}@example.org"
    school, person = await known(firebase, mine)
    encoded = token(google[1], sub=uuid4().hex, email=mine, email_verified=True)
    assert (await sign_in(firebase, encoded)).status_code == 200
    # when
    other = await firebase.add_school()
    join = "INSERT INTO membership (person_id, school_id, role) VALUES (%s, %s, 'guardian') RETURNING role"
    await firebase.rows(join, (person, other))
    # then
    assert (await sign_in(firebase, encoded)).json()["school_id"] == str(school)
    wish = {"firebase_token": encoded, "school": str(other)}
    assert (await firebase.client.post("/v1/sessions", json=wish)).status_code == 403
    # and the contact no longer decides
    assert (await become(firebase, school, person, f"{uuid4().hex}@example.org")).status_code == 403
    await firebase.rows("DELETE FROM membership WHERE school_id = %s RETURNING role", (other,))
    changed = f"{uuid4().hex}@example.org"
    assert (await become(firebase, school, person, changed)).status_code == 200
    foreign = token(google[1], sub=uuid4().hex, email=changed, email_verified=True)
    assert (await sign_in(firebase, foreign)).status_code == 401
    assert (await sign_in(firebase, encoded)).status_code == 200


async def test_linking_needs_the_password_and_ends_with_a_reset_and_a_change(firebase, google):
    # given
    school, uid = await firebase.add_school(), uuid4().hex
    person, name = await firebase.add_person(school, "staff"), f"user-{uuid4().hex[:8]}"

    async def reset(password):
        token = (await firebase.ask("POST", f"/v1/people/{person}/invitations")).json()["token"]
        body = {"token": token, "name": name, "password": password}
        assert (await firebase.client.post("/v1/invitations/accept", json=body)).status_code == 204

    async def link(**more):
        body = {"firebase_token": encoded} | more
        return (await firebase.ask("PUT", "/v1/me/firebase", "staff", school, person, json=body)).status_code

    encoded = token(google[1], sub=uid)
    await reset("a long demo password")
    # when, then
    assert await link() == 403
    assert await link(password="a wrong demo password") == 403
    assert await link(password="a long demo password") == 204
    assert (await sign_in(firebase, encoded)).status_code == 200
    await reset("another long password")
    assert (await sign_in(firebase, encoded)).status_code == 401
    assert await link(password="another long password") == 204
    change = {"old": "another long password", "new": "a third long password"}
    assert (await firebase.ask("PUT", "/v1/me/password", "staff", school, person, json=change)).status_code == 204
    assert (await sign_in(firebase, encoded)).status_code == 401


@pytest.mark.parametrize("role", ["school_admin", "platform_admin"])
async def test_staff_do_not_replace_the_addresses_of_an_administrator(firebase, role):
    school = await firebase.add_school()
    person = await firebase.add_person(school, "guardian" if role == "platform_admin" else role)
    if role == "platform_admin":
        await firebase.rows("INSERT INTO administrator (person_id) VALUES (%s) RETURNING person_id", (person,))
    body = {"contacts": [{"kind": "mail", "address": "mine@example.org"}]}
    path, clerk = f"/v1/people/{person}/contacts", await firebase.add_person(school, "staff")
    assert (await firebase.ask("PUT", path, "staff", school, clerk, json=body)).status_code == 403
    status = 200 if role == "school_admin" else 403
    assert (await firebase.ask("PUT", path, "school_admin", school, uuid4(), json=body)).status_code == status
    assert (await firebase.ask("PUT", path, params={"school": str(school)}, json=body)).status_code == 200


@pytest.mark.parametrize("role", ["school_admin", "staff", "teacher", "platform_admin"])
async def test_an_address_alone_makes_no_one_staff(firebase, google, role):
    """Whoever may write down somebody's address could otherwise become them; staff link their Firebase user first."""
    # given: a clerk gives somebody with a higher role an address of the clerk's own
    address, uid = f"{uuid4().hex}@example.org", uuid4().hex
    school = await firebase.add_school()
    person = await firebase.add_person(school, "guardian" if role == "platform_admin" else role)
    if role == "platform_admin":
        await firebase.rows("INSERT INTO administrator (person_id) VALUES (%s) RETURNING person_id", (person,))
    body = {"contacts": [{"kind": "mail", "address": address}]}
    path = f"/v1/people/{person}/contacts"
    assert (await firebase.ask("PUT", path, params={"school": str(school)}, json=body)).status_code == 200
    # when
    theirs = token(google[1], sub=uid, email=address, email_verified=True)
    # then
    assert (await sign_in(firebase, theirs)).status_code == 401
    # when: they say themselves that this is their Firebase user
    link = {"firebase_token": theirs}
    asked = ("PUT", "/v1/me/firebase", "guardian" if role == "platform_admin" else role, school, person)
    assert (await firebase.ask(*asked, json=link)).status_code == 204
    # then
    answer = await firebase.client.post("/v1/sessions", json=link | {"role": role})
    assert (answer.status_code, answer.json()["role"]) == (200, role)


async def test_a_linked_user_signs_in_without_an_address_and_belongs_to_one_person(firebase, google):
    (school, person), (theirs, other), uid = (
        await known(firebase, "a@example.org"),
        await known(firebase, "b@example.org"),
        uuid4().hex,
    )
    body = {"firebase_token": token(google[1], sub=uid)}
    assert (await firebase.ask("PUT", "/v1/me/firebase", "guardian", school, person, json=body)).status_code == 204
    assert (await sign_in(firebase, body["firebase_token"])).json()["person_id"] == str(person)
    taken = await firebase.ask("PUT", "/v1/me/firebase", "guardian", theirs, other, json=body)
    assert (taken.status_code, taken.json()["code"]) == (409, "conflict")


async def test_trust_5_the_old_address_gets_a_mail_about_a_change_of_either(firebase, google):
    # given
    old, new = f"{uuid4().hex}@example.org", f"{uuid4().hex}@example.org"
    school, person = await known(firebase, old)

    async def notices():
        return [row["data"] for row in await firebase.rows(NOTICES, (str(person),))]

    # when the school replaces the contact, twice by the same
    for _ in range(2):
        assert (await become(firebase, school, person, new)).status_code == 200
    # then
    (first,) = await notices()
    assert (first["variables"], first["template"], first["channels"]) == (
        {"addresses": old},
        "address_removed",
        ["mail"],
    )
    assert first["origin"].startswith("address:")
    assert (await firebase.ask("GET", f"/v1/tasks/{first['task_id']}")).json()["school_id"] == str(school)
    # when another address signs in
    mine = [f"{uuid4().hex}@example.org" for _ in range(2)]
    for address in mine:
        body = {"firebase_token": token(google[1], sub=uuid4().hex, email=address, email_verified=True)}
        linked = await firebase.ask("PUT", "/v1/me/firebase", "guardian", school, person, json=body)
        assert linked.status_code == 204
    # and then none, because a password is set
    invited = (await firebase.ask("POST", f"/v1/people/{person}/invitations")).json()["token"]
    body = {"token": invited, "name": f"user-{uuid4().hex[:8]}", "password": "a-made-up-password"}
    assert (await firebase.client.post("/v1/invitations/accept", json=body)).status_code == 204
    # then
    assert [each["variables"]["addresses"] for each in await notices()] == [old, *mine]

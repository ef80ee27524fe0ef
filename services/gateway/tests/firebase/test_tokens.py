"""Firebase ID tokens: only those that Google signed for this project, of people whom the directory knows."""

import datetime as dt
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from uuid import uuid4

import jwt
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from gateway.settings import Settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROJECT = "demo-project"


def certified():
    """A key and its self-signed certificate."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "securetoken.example.org")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
    return key, builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture(scope="module")
def google():
    """A server of certificates: (its address, the key of kid `one`, how often it was asked)."""
    key, pem = certified()
    asked = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            body = json.dumps({"one": pem}).encode()
            self.send_response(200)
            self.send_header("Cache-Control", "public, max-age=3600, must-revalidate")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/certificates", key, asked
    server.shutdown()
    thread.join()
    server.server_close()


def token(key, kid="one", algorithm="RS256", **changes):
    now = int(time.time())
    claims = {
        "iss": f"https://securetoken.google.com/{PROJECT}",
        "aud": PROJECT,
        "sub": "firebase-user",
        "iat": now - 10,
        "exp": now + 600,
        "auth_time": now - 10,
    } | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid})


@pytest_asyncio.fixture(loop_scope="module")
async def firebase(backing, serve, google):
    async with serve(backing, firebase_project=PROJECT, firebase_certificates_url=google[0]) as running:
        yield running


async def sign_in(gateway, encoded):
    return await gateway.client.post("/v1/sessions", json={"firebase_token": encoded})


async def known(gateway, address):
    school = await gateway.add_school()
    person = await gateway.add_person(school)
    async with gateway.service.transactions.begin() as tx:
        await tx.execute("INSERT INTO contact VALUES (%s, 'mail', %s)", (person, address))
    return school, person


async def test_a_verified_address_of_one_person_signs_them_in_and_certificates_are_fetched_once(firebase, google):
    address = f"{uuid4().hex}@example.org"
    school, person = await known(firebase, address.title())
    before = len(google[2])
    for _ in range(3):
        answer = await sign_in(firebase, token(google[1], email=address, email_verified=True))
        assert (answer.status_code, answer.json()["person_id"]) == (200, str(person)), answer.text
        assert answer.json()["school_id"] == str(school)
    assert len(google[2]) == before + 1


async def test_an_address_that_is_unverified_unknown_or_shared_signs_nobody_in(firebase, google):
    address, shared = f"{uuid4().hex}@example.org", f"{uuid4().hex}@example.org"
    await known(firebase, address)
    await known(firebase, shared)
    await known(firebase, shared)
    for claims in (
        {"email": address},
        {"email": address, "email_verified": False},
        {"email": f"{uuid4().hex}@example.org", "email_verified": True},
        {"email": shared, "email_verified": True},
    ):
        assert (await sign_in(firebase, token(google[1], sub=uuid4().hex, **claims))).status_code == 401


async def become(firebase, school, person, address):
    """Replace the contacts of a person as an administrator of a school."""
    body = {"contacts": [{"kind": "mail", "address": address}]}
    return await firebase.ask("PUT", f"/v1/people/{person}/contacts", "school_admin", school, uuid4(), json=body)


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
async def test_an_address_alone_makes_nobody_staff(firebase, google, role):
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


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "another-project"},
        {"iss": "https://securetoken.google.com/another-project"},
        {"exp": 1},
        {"auth_time": 9_999_999_999},
        {"auth_time": None},
        {"iat": 9_999_999_999},
        {"sub": ""},
        {"sub": "x" * 129},
        {"sub": None},
        {"kid": "two"},
    ],
    ids=str,
)
async def test_seed_23_a_token_that_is_not_for_us_is_refused(firebase, google, changes):
    address = f"{uuid4().hex}@example.org"
    await known(firebase, address)
    answer = await sign_in(firebase, token(google[1], email=address, email_verified=True, **changes))
    assert (answer.status_code, answer.json()["code"]) == (401, "credentials_refused")


async def test_seed_23_only_googles_signature_counts(firebase, google):
    claims = {"email": "x@example.org", "email_verified": True}
    foreign, _ = certified()
    public = (
        google[1].public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    header, body, _ = token(google[1], **claims).split(".")
    forged = [
        token(foreign, **claims),
        token("", algorithm="none", **claims),
        f"{header}.{body}.",
        "x.y.z",
        jwt.encode({"sub": "x"}, public[:64], algorithm="HS256", headers={"kid": "one"}),
    ]
    for each in forged:
        assert (await sign_in(firebase, each)).status_code == 401


async def test_certificates_that_cannot_be_fetched_are_503(backing, serve, google):
    away = {"firebase_project": PROJECT, "firebase_certificates_url": "http://127.0.0.1:1/"}
    async with serve(backing, **away) as gateway:
        answer = await sign_in(gateway, token(google[1]))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")


async def test_an_installation_without_a_project_takes_none(gateway, google):
    assert (await sign_in(gateway, token(google[1]))).status_code == 401


async def test_seed_23_the_emulator_is_refused_outside_development(backing):
    settings = {name.lower(): value for name, value in backing.environment("gateway").items()}
    settings |= {"firebase_auth_emulator_host": "127.0.0.1:9099"}
    assert Settings(**settings).environment == "development"
    with pytest.raises(ValueError, match="FIREBASE_AUTH_EMULATOR_HOST"):
        Settings(**settings, environment="production")


NOTICES = """
SELECT data::jsonb AS data FROM outbox WHERE routing_key = 'notification.requested'
  AND data::jsonb -> 'audience' -> 'people' ? %s ORDER BY position
"""


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

"""Firebase ID tokens: only those that Google signed for this project, of people whom the directory knows."""

from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from gateway.settings import Settings
from services.gateway.tests.firebase.users import PROJECT, certified, known, sign_in, token

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_verified_address_of_one_person_signs_them_in_and_certificates_are_fetched_once(backing, serve, google):
    address = f"{uuid4().hex}@example.org"
    async with serve(backing, firebase_project=PROJECT, firebase_certificates_url=google[0]) as fresh:
        school, person = await known(fresh, address.title())
        before = len(google[2])
        for _ in range(3):
            answer = await sign_in(fresh, token(google[1], email=address, email_verified=True))
            assert (answer.status_code, answer.json()["person_id"]) == (200, str(person)), answer.text
            assert answer.json()["school_id"] == str(school)
    assert len(google[2]) == before + 1


async def test_an_unverified_unknown_or_shared_address_does_not_sign_in(firebase, google):
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

"""Users of Firebase: their ID tokens, and the people of the directory that they are."""

import datetime as dt
import time
from uuid import uuid4

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

PROJECT = "demo-project"


def certified():
    """A key and its self-signed certificate."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "securetoken.example.org")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
    return key, builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


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


async def sign_in(gateway, encoded):
    return await gateway.client.post("/v1/sessions", json={"firebase_token": encoded})


async def known(gateway, address):
    school = await gateway.add_school()
    person = await gateway.add_person(school)
    async with gateway.service.transactions.begin() as tx:
        await tx.execute("INSERT INTO contact VALUES (%s, 'mail', %s)", (person, address))
    return school, person


async def become(firebase, school, person, address):
    """Replace the contacts of a person as an administrator of a school."""
    body = {"contacts": [{"kind": "mail", "address": address}]}
    return await firebase.ask("PUT", f"/v1/people/{person}/contacts", "school_admin", school, uuid4(), json=body)

"""Signed statements of who is asking: EdDSA JWTs, made by the gateway, verified by every owner."""

import datetime as dt
from typing import Any, Literal, Self
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import SchoolConnectError
from shared.events.directory import Role

ISSUER = "schoolconnect"
Use = Literal["access", "internal"]
LEEWAY = dt.timedelta(seconds=5)


class TokenRefused(SchoolConnectError):
    """The token is not one of ours, is for another use, or is no longer valid."""


class Claims(BaseModel):
    """Who is asking: a person, their role, and the school they ask within (None: the whole group)."""

    model_config = ConfigDict(frozen=True)

    person: UUID | None = None
    role: Role
    school: UUID | None = None
    use: Use = "access"

    @classmethod
    def verify(cls, token: str, public_pem: bytes, use: Use) -> Self:
        """Claims of a valid token; raises TokenRefused saying why not."""
        try:
            read = jwt.decode(
                token,
                public_pem,
                algorithms=["EdDSA"],
                issuer=ISSUER,
                audience=use,
                leeway=LEEWAY,
                options={"require": ["exp", "iat", "iss", "aud", "role"]},
            )
            return cls(person=read.get("sub"), role=read["role"], school=read.get("school"), use=use)
        except (jwt.PyJWTError, ValidationError) as problem:
            raise TokenRefused(str(problem)) from problem


class Signer:
    """Signs many tokens with one key, which is read once: reading it costs more than a signature."""

    def __init__(self, private_pem: bytes) -> None:
        self._key = load_pem_private_key(private_pem, password=None)

    def sign(self, claims: Claims, ttl: dt.timedelta) -> str:
        """A token that says `claims` for `ttl` from now."""
        now = dt.datetime.now(dt.UTC)
        body: dict[str, Any] = {
            "iss": ISSUER,
            "aud": claims.use,
            "role": claims.role,
            "iat": now,
            "exp": now + ttl,
        }
        if claims.person:
            body["sub"] = str(claims.person)
        if claims.school:
            body["school"] = str(claims.school)
        return jwt.encode(body, self._key, algorithm="EdDSA")  # type: ignore[arg-type]


def sign(private_pem: bytes, claims: Claims, ttl: dt.timedelta) -> str:
    """One token, signed with a key as it is in its file."""
    return Signer(private_pem).sign(claims, ttl)

"""Tokens that name the caller: JWTs with EdDSA signatures, made by the gateway, verified by every service."""

import datetime as dt
import math
import time
from typing import Any, Literal, Self
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from shared.errors import SchoolConnectError
from shared.events.values import Role

ISSUER = "schoolconnect"
Use = Literal["access", "internal", "stream", "device", "console", "choice"]
"""`stream`: a ticket in an address, which opens a stream of events and nothing else. `device`: shows that a person
signed in on a device before; it opens nothing. `console`: in a cookie, which opens pages and no route of the API.
`choice`: a person has shown a password and has yet to choose a role; it opens nothing."""
LEEWAY = dt.timedelta(seconds=5)
MOST_VERIFIED = 10_000


class TokenRefused(SchoolConnectError):
    """The token is not from this system, has another use, or is not valid now."""


class Claims(BaseModel):
    """The caller: a person, the role, and the school of the request (None: the whole group)."""

    model_config = ConfigDict(frozen=True)

    person: UUID | None = None
    role: Role
    school: UUID | None = None
    use: Use = "access"
    session: UUID | None = None
    """The session that a person opened by signing in; None for a token that an operator signed."""
    signed_in: AwareDatetime | None = None
    """When the person signed in; renewing the session does not change it (`auth_time` of OpenID Connect)."""
    until: float = Field(default=math.inf, exclude=True)
    """When a verified token ends, in seconds since the epoch; for a ticket when its stream ends."""

    @classmethod
    def verify(cls, token: str, public_pem: bytes, use: Use) -> Self:
        """Return the claims of a valid token; raises TokenRefused with the reason."""
        claims = Verifier(public_pem).verify(token, use)
        try:
            return cls(person=claims.person, role=claims.role, school=claims.school, use=use)
        except ValidationError as problem:
            raise TokenRefused(str(problem)) from problem


class Verifier:
    """Verifies tokens with one public key, and caches valid tokens until they expire."""

    def __init__(self, public_pem: bytes) -> None:
        self._key = load_pem_public_key(public_pem)
        self._verified: dict[tuple[str, Use], tuple[float, Claims]] = {}

    def verify(self, token: str, use: Use) -> Claims:
        """Return the claims of a valid token; raises TokenRefused with the reason."""
        until, claims = self._verified.get((token, use), (0.0, None))
        if claims is not None and time.time() < until:
            return claims
        try:
            read = jwt.decode(
                token,
                self._key,  # type: ignore[arg-type]
                algorithms=["EdDSA"],
                issuer=ISSUER,
                audience=use,
                leeway=LEEWAY,
                options={"require": ["exp", "iat", "iss", "aud", "role"]},
            )
            claims = Claims(
                person=read.get("sub"),
                role=read["role"],
                school=read.get("school"),
                use=use,
                session=read.get("sid"),
                signed_in=read.get("auth_time"),
                until=float(read.get("stream_until", read["exp"])),
            )
        except (jwt.PyJWTError, ValidationError) as problem:
            raise TokenRefused(str(problem)) from problem
        if len(self._verified) >= MOST_VERIFIED:
            self._verified.clear()
        self._verified[token, use] = (float(read["exp"]), claims)
        return claims


class Signer:
    """Signs tokens with one private key, loaded once: loading costs more than a signature."""

    def __init__(self, private_pem: bytes) -> None:
        self._key = load_pem_private_key(private_pem, password=None)

    def sign(self, claims: Claims, ttl: dt.timedelta) -> str:
        """Return a token with `claims` that is valid for `ttl` from now."""
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
        if claims.session and claims.signed_in:
            body |= {"sid": str(claims.session), "auth_time": int(claims.signed_in.timestamp())}
        if claims.use == "stream":
            body["stream_until"] = claims.until
        return jwt.encode(body, self._key, algorithm="EdDSA")  # type: ignore[arg-type]


def sign(private_pem: bytes, claims: Claims, ttl: dt.timedelta) -> str:
    """Sign one token with a private key in PEM format."""
    return Signer(private_pem).sign(claims, ttl)

"""Firebase ID tokens, as https://firebase.google.com/docs/auth/admin/verify-id-tokens says to verify them.

Not with firebase-admin: it takes unsigned tokens while FIREBASE_AUTH_EMULATOR_HOST is set.
"""

import asyncio
import re
import time
from dataclasses import dataclass

import httpx
import jwt
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from gateway.http.trust import authorities
from gateway.problems import Problem

log = structlog.get_logger()

LEEWAY_SECONDS = 5
SHORTEST_SECONDS = 60.0
LONGEST_UID = 128


@dataclass(frozen=True, slots=True)
class FirebaseUser:
    """The person in a valid token; the address only if Firebase has verified it."""

    uid: str
    email: str | None


class Firebase:
    """Verifies ID tokens of one project; its certificates are kept for as long as their max-age says."""

    def __init__(self, project: str, certificates_url: str) -> None:
        self._project = project
        self._url = certificates_url
        self._client = httpx.AsyncClient(timeout=5, verify=authorities())
        self._keys: dict[str, RSAPublicKey] = {}
        self._fresh_until = 0.0
        self._fetching = asyncio.Lock()

    async def user(self, token: str) -> FirebaseUser:
        """Return the person who signed in; 401 for a token of another project, 503 while Google is unavailable."""
        if not self._project:
            raise Problem(401, "credentials_refused", "This installation does not accept Firebase tokens.")
        try:
            key = await self._key(str(jwt.get_unverified_header(token).get("kid")))
            claims = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                audience=self._project,
                issuer=f"https://securetoken.google.com/{self._project}",
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "aud", "iss", "sub", "auth_time"]},
            )
        except jwt.PyJWTError as problem:
            raise Problem(401, "credentials_refused", f"The Firebase token is refused: {problem}") from problem
        uid, signed_in = claims["sub"], claims["auth_time"]
        if not isinstance(uid, str) or not 0 < len(uid) <= LONGEST_UID:
            raise Problem(401, "credentials_refused", "The Firebase token does not name a user.")
        if not isinstance(signed_in, int | float) or signed_in > time.time() + LEEWAY_SECONDS:
            raise Problem(401, "credentials_refused", "The Firebase token was issued in the future.")
        email = claims.get("email") if claims.get("email_verified") is True else None
        return FirebaseUser(uid, email.lower() if isinstance(email, str) else None)

    async def _key(self, kid: str) -> RSAPublicKey:
        async with self._fetching:
            if time.monotonic() >= self._fresh_until:
                await self._fetch()
        if kid not in self._keys:
            raise jwt.InvalidKeyError("its key is not one of Google's")
        return self._keys[kid]

    async def _fetch(self) -> None:
        try:
            answer = (await self._client.get(self._url)).raise_for_status()
            found = {
                kid: x509.load_pem_x509_certificate(pem.encode()).public_key() for kid, pem in answer.json().items()
            }
        except (httpx.HTTPError, ValueError, AttributeError) as problem:
            log.warning("firebase.certificates_away", error=type(problem).__name__)
            raise Problem(503, "unavailable", "The certificates of Firebase cannot be fetched.") from problem
        self._keys = {kid: key for kid, key in found.items() if isinstance(key, RSAPublicKey)}
        age = re.search(r"max-age=(\d+)", answer.headers.get("cache-control", ""))
        self._fresh_until = time.monotonic() + max(SHORTEST_SECONDS, float(age.group(1)) if age else 0.0)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

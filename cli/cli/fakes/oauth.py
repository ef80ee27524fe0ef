"""Issue access tokens for JWT grants of one service account (RFC 7523): the token endpoint of the fake FCM."""

import secrets
import time
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives import serialization

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
GOOGLE = "https://oauth2.googleapis.com/token"
"""Google's own audience: google-auth puts it into every grant, whatever the account's token_uri says."""
LONGEST_GRANT_S = 3600
SKEW_S = 60
KEPT = 10_000


class GrantRefused(Exception):
    """The token endpoint's answer is an error of RFC 6749, section 5.2: code and description."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.answer = {"error": code, "error_description": description}


class Grants:
    """The access tokens that this process issued to one service account. They end with the process."""

    def __init__(self, account: dict[str, str]) -> None:
        private = serialization.load_pem_private_key(account["private_key"].encode(), password=None)
        self.key: Any = private.public_key()
        self.email = account["client_email"]
        self.audiences = [account["token_uri"], GOOGLE]
        self.expiries: dict[str, float] = {}
        self.issued = 0

    def grant(self, form: bytes, *, lifetime_s: int, refused: bool = False) -> dict[str, Any]:
        """Return the token response for a form body; raises GrantRefused where Google's endpoint refuses."""
        fields = {name: values[-1] for name, values in parse_qs(form.decode(errors="replace")).items()}
        if fields.get("grant_type") != GRANT:
            raise GrantRefused("unsupported_grant_type", f"Invalid grant_type: {fields.get('grant_type')}")
        self._verify(fields.get("assertion", ""))
        if refused:
            raise GrantRefused("invalid_grant", "Invalid grant: account not found")
        token = f"ya29.fake.{secrets.token_urlsafe(24)}"
        now = time.time()
        self.expiries = {each: at for each, at in self.expiries.items() if at > now}
        while len(self.expiries) >= KEPT:
            del self.expiries[next(iter(self.expiries))]
        self.expiries[token] = now + lifetime_s
        self.issued += 1
        return {"access_token": token, "expires_in": lifetime_s, "token_type": "Bearer"}

    def admits(self, authorization: str) -> bool:
        """Whether the header has a bearer token that was issued here and has not expired."""
        if not authorization.startswith("Bearer "):
            return False
        return self.expiries.get(authorization[7:], 0.0) > time.time()

    def revoke(self) -> None:
        """Revoke every token: calls with one of them get 401."""
        self.expiries.clear()

    def _verify(self, assertion: str) -> None:
        try:
            claims = jwt.decode(
                assertion,
                self.key,
                algorithms=["RS256"],
                audience=self.audiences,
                issuer=self.email,
                leeway=SKEW_S,
                options={"require": ["iss", "aud", "iat", "exp"]},
            )
        except jwt.ExpiredSignatureError as problem:
            raise GrantRefused("invalid_grant", "Invalid JWT: token must be short-lived, iat and exp") from problem
        except jwt.InvalidSignatureError as problem:
            raise GrantRefused("invalid_grant", "Invalid JWT Signature.") from problem
        except jwt.PyJWTError as problem:
            raise GrantRefused("invalid_grant", f"Invalid JWT: {problem}") from problem
        if claims["exp"] - claims["iat"] > LONGEST_GRANT_S:
            raise GrantRefused("invalid_grant", "Invalid JWT: the token must not last longer than an hour.")
        if not claims.get("scope"):
            raise GrantRefused("invalid_scope", "Empty or missing scope not allowed.")

"""OAuth access tokens of a Google service account: fetched in a thread, renewed before they expire."""

import asyncio
import datetime as dt
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import structlog
from firebase_admin import credentials
from google.auth.exceptions import GoogleAuthError, RefreshError
from google.auth.transport.requests import Request
from requests import Session

log = structlog.get_logger()

RENEW_BEFORE_SECONDS = 300.0
RENEW_BEFORE_SHARE = 0.25
DEFAULT_LIFETIME_SECONDS = 3600.0
"""Google's tokens are valid for an hour; the answer may leave `expires_in` out (RFC 6749 section 5.1)."""
FAILURE_PAUSE_SECONDS = 10.0
TOKEN_TIMEOUT_SECONDS = 15.0

Fetch = Callable[[], tuple[str, float]]
"""Returns a new token and its lifetime in seconds; blocks; raises GoogleAuthError."""


class ServiceAccount:
    """Requests tokens from the endpoint that the service-account file names."""

    def __init__(self, account: Path, ca_file: Path | None) -> None:
        self._credential = credentials.Certificate(str(account)).get_credential()
        self._session = Session()
        # Set for each request: REQUESTS_CA_BUNDLE would win over `session.verify`.
        trust = {"verify": str(ca_file)} if ca_file else {}
        self._request = partial(Request(session=self._session), timeout=TOKEN_TIMEOUT_SECONDS, **trust)

    def fetch(self) -> tuple[str, float]:
        """Return a new token and its lifetime: a `Fetch`."""
        try:
            self._credential.refresh(self._request)
        except (AttributeError, KeyError, TypeError, ValueError) as problem:
            # google-auth expects a JSON object: a proxy's page or a list breaks it in many ways.
            found = RefreshError("the token endpoint's answer cannot be read", retryable=True)  # type: ignore[no-untyped-call]
            raise found from problem
        expiry: dt.datetime | None = self._credential.expiry
        if expiry is None:
            return str(self._credential.token), DEFAULT_LIFETIME_SECONDS
        left = expiry.replace(tzinfo=dt.UTC) - dt.datetime.now(dt.UTC)
        return str(self._credential.token), left.total_seconds()

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


class AccessToken:
    """One access token. `accepted`: FCM accepted it at least once; `replacement`: it replaced a refused one."""

    def __init__(self, value: str, began: float, lifetime: float, *, replacement: bool) -> None:
        self.value = value
        self.renew_at = began + lifetime - min(RENEW_BEFORE_SECONDS, lifetime * RENEW_BEFORE_SHARE)
        self.expires_at = began + lifetime
        self.replacement = replacement
        self.accepted = False


class AccessTokens:
    """Keeps the present token. One fetch at a time; callers do not wait for it while the old token is valid."""

    def __init__(self, fetch: Fetch, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._token: AccessToken | None = None
        self._fetching: asyncio.Task[AccessToken | GoogleAuthError] | None = None
        self._pause_until = 0.0
        self._refused: tuple[str, Literal["transient", "config"]] | None = None

    async def bearer(self) -> str:
        """Return a valid token; raise GoogleAuthError."""
        token = self._token
        if token is None or self._clock() >= token.expires_at:
            # Shielded: a caller that is cancelled must not cancel the fetch of the others.
            found = await asyncio.shield(self._start_fetch())
            if isinstance(found, GoogleAuthError):
                raise found
            return found.value
        if self._clock() >= max(token.renew_at, self._pause_until):
            self._start_fetch()
        return token.value

    def mark_accepted(self, value: str) -> None:
        """Note that FCM accepted a token."""
        if self._token is not None and self._token.value == value:
            self._token.accepted = True

    def mark_refused(self, value: str) -> Literal["transient", "config"]:
        """Drop a refused token. If a new one is refused as well, the configuration is wrong."""
        if self._token is not None and self._token.value == value:
            lasting = self._token.replacement and not self._token.accepted
            self._refused = (value, "config" if lasting else "transient")
            self._token = None
        if self._refused is not None and self._refused[0] == value:
            return self._refused[1]
        return "transient"

    async def close(self) -> None:
        """Wait for a fetch under way."""
        if self._fetching is not None:
            await asyncio.wait({self._fetching})

    def _start_fetch(self) -> "asyncio.Task[AccessToken | GoogleAuthError]":
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._renew())
        return self._fetching

    async def _renew(self) -> AccessToken | GoogleAuthError:
        began = self._clock()
        try:
            value, lifetime = await asyncio.to_thread(self._fetch)
        except GoogleAuthError as problem:
            self._pause_until = self._clock() + FAILURE_PAUSE_SECONDS
            log.warning("fcm.token_refresh_failed", error=type(problem).__name__, retryable=problem.retryable)
            return problem
        replacement = self._token is None and self._refused is not None
        self._token = AccessToken(value, began, lifetime, replacement=replacement)
        return self._token

"""OAuth access tokens of a Google service account: fetched in a thread, renewed ahead of their end."""

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

AHEAD_SECONDS = 300.0
AHEAD_SHARE = 0.25
UNSAID_SECONDS = 3600.0
"""Google's tokens last an hour; the answer may leave `expires_in` out (RFC 6749 section 5.1)."""
PAUSE_SECONDS = 10.0
GRANT_TIMEOUT_SECONDS = 15.0

Fetch = Callable[[], tuple[str, float]]
"""A new token and its lifetime in seconds; blocks; raises GoogleAuthError."""


class ServiceAccount:
    """Asks the token endpoint that the service-account file names."""

    def __init__(self, account: Path, ca_file: Path | None) -> None:
        self._credential = credentials.Certificate(str(account)).get_credential()
        self._session = Session()
        # Said per request: REQUESTS_CA_BUNDLE would win over `session.verify`.
        trust = {"verify": str(ca_file)} if ca_file else {}
        self._request = partial(Request(session=self._session), timeout=GRANT_TIMEOUT_SECONDS, **trust)

    def fetch(self) -> tuple[str, float]:
        """A `Fetch`."""
        try:
            self._credential.refresh(self._request)
        except (AttributeError, KeyError, TypeError, ValueError) as problem:
            # google-auth expects a JSON object: a proxy's page or a list breaks it in many ways.
            found = RefreshError("the token endpoint's answer cannot be read", retryable=True)  # type: ignore[no-untyped-call]
            raise found from problem
        expiry: dt.datetime | None = self._credential.expiry
        if expiry is None:
            return str(self._credential.token), UNSAID_SECONDS
        left = expiry.replace(tzinfo=dt.UTC) - dt.datetime.now(dt.UTC)
        return str(self._credential.token), left.total_seconds()

    def close(self) -> None:
        """Give the connection back."""
        self._session.close()


class Grant:
    """One access token. `proven`: the provider took it at least once; `second`: it replaced a refused one."""

    def __init__(self, token: str, began: float, lifetime: float, *, second: bool) -> None:
        self.token = token
        self.renew_at = began + lifetime - min(AHEAD_SECONDS, lifetime * AHEAD_SHARE)
        self.ends_at = began + lifetime
        self.second = second
        self.proven = False


class AccessTokens:
    """The present token. One fetch at a time; nobody waits for it while the old token is good."""

    def __init__(self, fetch: Fetch, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._grant: Grant | None = None
        self._fetching: asyncio.Task[Grant | GoogleAuthError] | None = None
        self._pause_until = 0.0
        self._refused: tuple[str, Literal["transient", "config"]] | None = None

    async def bearer(self) -> str:
        """A token that is good now; raises GoogleAuthError."""
        grant = self._grant
        if grant is None or self._clock() >= grant.ends_at:
            # Shielded: a caller that gives up must not take the fetch from the others.
            found = await asyncio.shield(self._start())
            if isinstance(found, GoogleAuthError):
                raise found
            return found.token
        if self._clock() >= max(grant.renew_at, self._pause_until):
            self._start()
        return grant.token

    def proved(self, token: str) -> None:
        """The provider took this token."""
        if self._grant is not None and self._grant.token == token:
            self._grant.proven = True

    def refused(self, token: str) -> Literal["transient", "config"]:
        """The provider refused this token: forget it. A fresh one refused as well is a matter of configuration."""
        if self._grant is not None and self._grant.token == token:
            lasting = self._grant.second and not self._grant.proven
            self._refused = (token, "config" if lasting else "transient")
            self._grant = None
        if self._refused is not None and self._refused[0] == token:
            return self._refused[1]
        return "transient"

    async def close(self) -> None:
        """Wait for a fetch under way."""
        if self._fetching is not None:
            await asyncio.wait({self._fetching})

    def _start(self) -> "asyncio.Task[Grant | GoogleAuthError]":
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._renew())
        return self._fetching

    async def _renew(self) -> Grant | GoogleAuthError:
        began = self._clock()
        try:
            token, lifetime = await asyncio.to_thread(self._fetch)
        except GoogleAuthError as problem:
            self._pause_until = self._clock() + PAUSE_SECONDS
            log.warning("fcm.token_not_renewed", error=type(problem).__name__, retryable=problem.retryable)
            return problem
        second = self._grant is None and self._refused is not None
        self._grant = Grant(token, began, lifetime, second=second)
        return self._grant

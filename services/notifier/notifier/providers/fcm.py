"""Push through Firebase Cloud Messaging, HTTP v1: credentials by firebase-admin, messages over HTTP/2.

Reference: https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages and .../v1/ErrorCode;
why this client: docs/decisions/0004.
"""

import asyncio
import datetime as dt
import itertools
from math import ceil
from pathlib import Path
from typing import Any

import orjson
from google.auth.exceptions import GoogleAuthError, RefreshError
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import DetailedPyreqwestError, PyreqwestError

from notifier.providers import Outcome, Push
from notifier.providers.fcm_credentials import AccessTokens, Fetch, ServiceAccount
from notifier.providers.fcm_responses import OWN_TOKEN_REFUSED, UNAUTHENTICATED, outcome_of

MAX_PAYLOAD_BYTES = 4096
"""Keys and values of notification and data together (ErrorCode, "Message too big")."""
TIMEOUT = dt.timedelta(seconds=15)
CONNECT_TIMEOUT = dt.timedelta(seconds=5)
PING_INTERVAL = dt.timedelta(seconds=20)
PING_TIMEOUT = dt.timedelta(seconds=10)
STREAMS_PER_CONNECTION = 100
"""Calls that one HTTP/2 connection carries at the same time: more would wait in the client."""
NEVER_SENT = "client error (Connect)"
"""hyper's message where no connection was made. pyreqwest's ConnectError alone also covers lost connections."""
APNS_URGENT, APNS_NORMAL = "10", "5"
MAX_TTL_SECONDS = 28 * 86_400


class FcmCourier:
    """Sends pushes: at most `concurrency` calls at once, one connection per hundred of them.

    `fetch` replaces the token endpoint that the service-account file names.
    """

    def __init__(
        self,
        base_url: str,
        account: Path,
        *,
        ca_file: Path | None = None,
        concurrency: int = 200,
        fetch: Fetch | None = None,
    ) -> None:
        project = orjson.loads(account.read_bytes())["project_id"]
        self._url = f"{base_url.rstrip('/')}/v1/projects/{project}/messages:send"
        self._account = ServiceAccount(account, ca_file)
        self._tokens = AccessTokens(fetch or self._account.fetch)
        self._limit = asyncio.Semaphore(concurrency)
        self._clients = [_client(ca_file) for _ in range(ceil(concurrency / STREAMS_PER_CONNECTION))]
        self._next_client = itertools.cycle(self._clients)

    async def send(self, message: Push) -> Outcome:
        """Send one push to FCM, in one call."""
        if payload_bytes(message) > MAX_PAYLOAD_BYTES:
            return Outcome("permanent", "payload_over_4096_bytes")
        async with self._limit:
            try:
                bearer = await self._tokens.bearer()
            except GoogleAuthError as problem:
                if isinstance(problem, RefreshError) and not problem.retryable:
                    return Outcome("config", "credentials_refused")
                return Outcome("transient", "token_endpoint_unavailable")
            return await self._post(payload(message), bearer)

    async def _post(self, content: bytes, bearer: str) -> Outcome:
        request = (
            next(self._next_client)
            .post(self._url)
            .bearer_auth(bearer)
            .header("content-type", "application/json")
            .body_bytes(content)
            .build()
        )
        try:
            response = await request.send()
            status, body = response.status, bytes(await response.bytes())
        except PyreqwestError as problem:
            if was_never_sent(problem):
                return Outcome("transient", "no_connection")
            return Outcome("unknown", type(problem).__name__)
        outcome = outcome_of(status, body, response.headers)
        if status != UNAUTHENTICATED:
            self._tokens.mark_accepted(bearer)
        elif outcome.reason in OWN_TOKEN_REFUSED:
            return Outcome(self._tokens.mark_refused(bearer), outcome.reason)
        return outcome

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients:
            await client.close()
        await self._tokens.close()
        self._account.close()


def _client(ca_file: Path | None) -> Client:
    builder = (
        ClientBuilder()
        .http2(enable=True)
        .http2_keep_alive_interval(PING_INTERVAL)
        .http2_keep_alive_timeout(PING_TIMEOUT)
        .timeout(TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT)
        .https_only(enable=True)
        .follow_redirects(enable=False)
    )
    if ca_file is not None:
        builder = builder.add_root_certificate_pem(ca_file.read_bytes())
    return builder.build()


def was_never_sent(problem: PyreqwestError) -> bool:
    """Return whether certainly no byte of the request was sent: there was no connection to send it on."""
    causes = problem.details.get("causes") if isinstance(problem, DetailedPyreqwestError) else None
    return any(cause["message"] == NEVER_SENT for cause in causes or [])


def payload_bytes(push: Push) -> int:
    """Return what counts against the limit: keys and values of notification and data, in UTF-8."""
    counted = {"title": push.title, "body": push.body}.items(), push.data.items()
    return sum(len(key.encode()) + len(value.encode()) for key, value in itertools.chain(*counted))


def payload(push: Push) -> bytes:
    """Return the request's body; a repeat with the same tag replaces what the person sees."""
    android: dict[str, Any] = {
        "priority": "HIGH" if push.urgent else "NORMAL",
        "collapse_key": push.tag,
        "notification": {"tag": push.tag},
    }
    apns = {
        "apns-collapse-id": push.tag[:64],
        "apns-priority": APNS_URGENT if push.urgent else APNS_NORMAL,
    }
    webpush: dict[str, str] = {"Urgency": "high" if push.urgent else "normal"}
    if push.ttl_seconds is not None:
        ttl = max(0, min(push.ttl_seconds, MAX_TTL_SECONDS))
        android["ttl"] = f"{ttl}s"
        apns["apns-expiration"] = str(int(dt.datetime.now(dt.UTC).timestamp()) + ttl)
        webpush["TTL"] = str(ttl)
    message = {
        **target(push),
        "notification": {"title": push.title, "body": push.body},
        "data": push.data,
        "android": android,
        "apns": {"headers": apns},
        "webpush": {"headers": webpush, "notification": {"tag": push.tag}},
    }
    return orjson.dumps({"message": message})


def target(push: Push) -> dict[str, str]:
    """Return `fid` for an app that registered by its installation id, which then is its address; else `token`.

    An installation id that is known only beside a registration token is not registered with FCM: an app has one or the
    other, and getToken() ends the registration of the id. `Message.token` is deprecated but still accepts both.
    """
    return {"fid": push.fid} if push.fid and push.fid == push.token else {"token": push.token}

"""Push through Firebase Cloud Messaging, HTTP v1: credentials by firebase-admin, messages over one HTTP/2 client.

Reference: https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages and .../v1/ErrorCode.
"""

import asyncio
import datetime as dt
import email.utils
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog
from firebase_admin import credentials
from google.auth.exceptions import GoogleAuthError, RefreshError
from google.auth.transport.requests import Request
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import ConnectError, PyreqwestError
from requests import Session

from notifier.effects import Outcome, Push

log = structlog.get_logger()

PAYLOAD_BYTES = 4096
"""FCM refuses larger messages (https://firebase.google.com/docs/cloud-messaging/concept-options)."""
TIMEOUT = dt.timedelta(seconds=15)
EARLY_SECONDS = 300
APNS_URGENT, APNS_NORMAL = "10", "5"
DAY_SECONDS = 86_400

DEAD = frozenset({"UNREGISTERED"})
CONFIG = frozenset({"SENDER_ID_MISMATCH", "THIRD_PARTY_AUTH_ERROR"})


class AccessTokens:
    """OAuth tokens of the service account, fetched in a thread and renewed ahead of their end."""

    def __init__(self, account: Path, ca_file: Path | None) -> None:
        self._credential = credentials.Certificate(str(account)).get_credential()
        self._session = Session()
        if ca_file is not None:
            self._session.verify = str(ca_file)
        self._lock = asyncio.Lock()

    async def bearer(self) -> str:
        """A token that is good for some minutes yet; raises GoogleAuthError."""
        if self._stale():
            async with self._lock:
                if self._stale():
                    await asyncio.to_thread(self._credential.refresh, Request(session=self._session))
        return str(self._credential.token)

    def _stale(self) -> bool:
        expiry: dt.datetime | None = self._credential.expiry
        if self._credential.token is None or expiry is None:
            return True
        left = expiry.replace(tzinfo=dt.UTC) - dt.datetime.now(dt.UTC)
        return left.total_seconds() < EARLY_SECONDS

    def forget(self) -> None:
        """The provider refused the token: fetch another."""
        self._credential.token = None

    def close(self) -> None:
        """Close the session."""
        self._session.close()


class FcmCourier:
    """Sends pushes; at most `concurrency` calls at once, multiplexed on few connections."""

    def __init__(self, base_url: str, account: Path, *, ca_file: Path | None = None, concurrency: int = 200) -> None:
        project = json.loads(account.read_text(encoding="utf-8"))["project_id"]
        self._url = f"{base_url.rstrip('/')}/v1/projects/{project}/messages:send"
        self._tokens = AccessTokens(account, ca_file)
        self._limit = asyncio.Semaphore(concurrency)
        self._client = _client(ca_file)

    async def send(self, message: Push) -> Outcome:
        """Hand one push to FCM."""
        content = payload(message)
        if len(content) > PAYLOAD_BYTES:
            return Outcome("permanent", "payload_over_4096_bytes")
        async with self._limit:
            try:
                bearer = await self._tokens.bearer()
            except RefreshError:
                return Outcome("config", "credentials_refused")
            except GoogleAuthError:
                return Outcome("transient", "token_endpoint_away")
            return await self._post(content, bearer)

    async def _post(self, content: bytes, bearer: str) -> Outcome:
        request = (
            self._client.post(self._url)
            .bearer_auth(bearer)
            .header("content-type", "application/json")
            .body_bytes(content)
            .build()
        )
        try:
            response = await request.send()
            status, body = response.status, bytes(await response.bytes())
        except ConnectError:
            return Outcome("transient", "no_connection")
        except PyreqwestError as problem:
            return Outcome("unknown", type(problem).__name__)
        outcome = read_answer(status, body, response.headers)
        if status == 401:  # noqa: PLR2004
            self._tokens.forget()
        return outcome

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
        self._tokens.close()


def _client(ca_file: Path | None) -> Client:
    builder = ClientBuilder().timeout(TIMEOUT).https_only(enable=True).follow_redirects(False)
    if ca_file is not None:
        builder = builder.add_root_certificate_pem(ca_file.read_bytes())
    return builder.build()


def payload(push: Push) -> bytes:
    """The message as FCM takes it; a repeat with the same tag replaces what the person sees."""
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
        ttl = max(0, min(push.ttl_seconds, 28 * DAY_SECONDS))
        android["ttl"] = f"{ttl}s"
        apns["apns-expiration"] = str(int(dt.datetime.now(dt.UTC).timestamp()) + ttl)
        webpush["TTL"] = str(ttl)
    message = {
        "token": push.token,
        "notification": {"title": push.title, "body": push.body},
        "data": push.data,
        "android": android,
        "apns": {"headers": apns},
        "webpush": {"headers": webpush, "notification": {"tag": push.tag}},
    }
    return json.dumps({"message": message}, ensure_ascii=False, separators=(",", ":")).encode()


def read_answer(status: int, body: bytes, headers: Mapping[str, str]) -> Outcome:
    """What an answer of FCM means for the message."""
    try:
        answer = json.loads(body)
    except ValueError:
        answer = {}
    if status == 200:  # noqa: PLR2004
        return Outcome("accepted", provider_id=str(answer.get("name", "")).rpartition("/")[2] or None)
    error = answer.get("error", {}) if isinstance(answer, dict) else {}
    code = next(
        (detail["errorCode"] for detail in error.get("details", []) if "errorCode" in detail),
        error.get("status", str(status)),
    )
    wait = retry_after(headers.get("retry-after"), dt.datetime.now(dt.UTC))
    if code in DEAD:
        return Outcome("token_dead", code)
    if code in CONFIG or status in (401, 403):
        return Outcome("config", code, retry_after=wait)
    if status == 429:  # noqa: PLR2004
        return Outcome("throttled", code, retry_after=wait)
    if status >= 500:  # noqa: PLR2004
        return Outcome("transient", code, retry_after=wait)
    return Outcome("permanent", code)


def retry_after(value: str | None, now: dt.datetime) -> float | None:
    """Seconds to wait (RFC 9110 section 10.2.3: delay-seconds or an HTTP date); None where nothing usable is said."""
    if not value:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        when = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (when - now).total_seconds()) if when.tzinfo else None

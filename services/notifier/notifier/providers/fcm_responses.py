"""Reads FCM's answers (https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode)."""

import datetime as dt
import email.utils
import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from notifier.providers import Outcome

OK, BAD_REQUEST, UNAUTHENTICATED, TOO_LARGE, THROTTLED, SERVER_ERROR = 200, 400, 401, 413, 429, 500

THROTTLE_SECONDS = 60.0
"""For a 429 without Retry-After (https://firebase.google.com/docs/cloud-messaging/scale-fcm)."""
MAX_WAIT_SECONDS = 86_400.0
TARGETS = frozenset({"message.token", "message.fid"})
BAD_TOKEN = "The registration token is not a valid FCM registration token"  # noqa: S105  # documented text
OWN_TOKEN_REFUSED = frozenset({"UNAUTHENTICATED", "401"})
"""A 401 about our access token; THIRD_PARTY_AUTH_ERROR is about the APNs key or the web push key at Firebase."""


def outcome_of(status: int, body: bytes, headers: Mapping[str, str]) -> Outcome:
    """Return what an answer means for the message; never raise, whatever the answer is."""
    answer = _object(body)
    wait = retry_after(headers.get("retry-after"), dt.datetime.now(dt.UTC))
    error = answer.get("error")
    error = error if isinstance(error, dict) else {}
    code = _code(error) or str(status)
    if status == OK:
        name = answer.get("name")
        # This is not FCM's answer: the message may or may not have been accepted.
        return (
            Outcome("accepted", provider_id=name.rpartition("/")[2]) if _text(name) else Outcome("unknown", "no_name")
        )
    if code == "UNREGISTERED" or (status == BAD_REQUEST and _about_target(error)):
        return Outcome("token_dead", code)
    if status in (BAD_REQUEST, TOO_LARGE):
        return Outcome("permanent", code)
    if status == THROTTLED:
        return Outcome("throttled", code, retry_after=THROTTLE_SECONDS if wait is None else wait)
    if status >= SERVER_ERROR:
        return Outcome("transient", code, retry_after=wait)
    # Another project, another sender, no permission, an unknown path, a redirect: no message would pass.
    return Outcome("config", code, retry_after=wait)


def retry_after(value: str | None, now: dt.datetime) -> float | None:
    """Return the seconds to wait, at most a day (RFC 9110 section 10.2.3); None for an unusable header."""
    if not value:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), MAX_WAIT_SECONDS)
    try:
        when = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    if when.tzinfo is None:
        return None
    return min(max(0.0, (when - now).total_seconds()), MAX_WAIT_SECONDS)


def _object(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _code(error: Mapping[str, Any]) -> str | None:
    codes = [detail.get("errorCode") for detail in _dicts(error.get("details"))]
    return next((code for code in [*codes, error.get("status")] if _text(code)), None)


def _about_target(error: Mapping[str, Any]) -> bool:
    """Return whether the error is about the token: it names the field, or has the documented text and no field."""
    fields = {
        violation.get("field")
        for detail in _dicts(error.get("details"))
        for violation in _dicts(detail.get("fieldViolations"))
        if _text(violation.get("field"))
    }
    return bool(fields & TARGETS) or (not fields and error.get("message") == BAD_TOKEN)


def _dicts(found: object) -> Iterator[Mapping[str, Any]]:
    return (each for each in found if isinstance(each, dict)) if isinstance(found, list) else iter(())


def _text(found: object) -> TypeGuard[str]:
    return isinstance(found, str) and bool(found)

"""What FCM's answers mean (https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode)."""

import datetime as dt
import email.utils
import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from notifier.providers import Outcome

OK, BAD_REQUEST, UNAUTHENTICATED, TOO_LARGE, THROTTLED, SERVER_ERROR = 200, 400, 401, 413, 429, 500

THROTTLE_SECONDS = 60.0
"""For a 429 without Retry-After (https://firebase.google.com/docs/cloud-messaging/scale-fcm)."""
LONGEST_WAIT_SECONDS = 86_400.0
TARGETS = frozenset({"message.token", "message.fid"})
BAD_TOKEN = "The registration token is not a valid FCM registration token"  # noqa: S105  # documented text
OURS = frozenset({"UNAUTHENTICATED", "401"})
"""A 401 about our own token; THIRD_PARTY_AUTH_ERROR is about the APNs key or the web push key at Firebase."""


def read_answer(status: int, body: bytes, headers: Mapping[str, str]) -> Outcome:
    """What an answer means for the message; never raises, whatever came."""
    answer = _object(body)
    wait = retry_after(headers.get("retry-after"), dt.datetime.now(dt.UTC))
    error = answer.get("error")
    error = error if isinstance(error, dict) else {}
    code = _code(error) or str(status)
    if status == OK:
        name = answer.get("name")
        # Whatever this is, it is not FCM's answer: it may or may not have been taken.
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
    # Another project, another sender, no permission, a path that is not there, a redirect: no message would pass.
    return Outcome("config", code, retry_after=wait)


def retry_after(value: str | None, now: dt.datetime) -> float | None:
    """Seconds to wait, at most a day (RFC 9110 section 10.2.3: delay-seconds or an HTTP date); None if not usable."""
    if not value:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_WAIT_SECONDS)
    try:
        when = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    if when.tzinfo is None:
        return None
    return min(max(0.0, (when - now).total_seconds()), LONGEST_WAIT_SECONDS)


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
    """The field is named, or nothing but the documented text says it."""
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

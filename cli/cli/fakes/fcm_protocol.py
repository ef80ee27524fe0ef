"""FCM HTTP v1 as documented: which requests are refused, and the error bodies (google.rpc.Status)."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

PAYLOAD_LIMIT = 4096
LONGEST_TTL_S = 2_419_200
REQUEST = {"message", "validate_only", "validateOnly"}
MESSAGE = {
    *("name", "data", "notification", "android", "webpush", "apns", "fcm_options", "fcmOptions"),
    *("token", "fid", "topic", "condition"),
}
PLATFORMS = ("notification", "android", "webpush", "apns")
RESERVED_DATA = re.compile(r"from$|message_type$|google|gcm")
VISIBLE = re.compile(r"[!-~]+")
DURATION = re.compile(r"(\d{1,12})(\.\d{1,9})?s")

FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"


class ErrorAnswer(NamedTuple):
    """An HTTP status and its body."""

    status: int
    body: bytes


class Accepted(NamedTuple):
    """A valid request: its target, and the tag by which a later message replaces it."""

    target: str
    tag: str


class Invalid(Exception):
    """The request is refused with 400 INVALID_ARGUMENT; `field` is the path of the wrong field, if there is one."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        details: list[dict[str, Any]] = [{"@type": FCM_ERROR, "errorCode": "INVALID_ARGUMENT"}]
        if field is not None:
            violation = {"field": field, "description": message}
            details.append({"@type": BAD_REQUEST, "fieldViolations": [violation]})
        self.answer = error(400, "INVALID_ARGUMENT", message, details)


def error(status: int, canonical: str, message: str, details: list[dict[str, Any]]) -> ErrorAnswer:
    """Return a google.rpc error as JSON."""
    content = {"code": status, "message": message, "status": canonical, "details": details}
    return ErrorAnswer(status, json.dumps({"error": content}).encode())


def _fcm(status: int, canonical: str, code: str, message: str) -> ErrorAnswer:
    return error(status, canonical, message, [{"@type": FCM_ERROR, "errorCode": code}])


ERRORS = {
    "unregistered": _fcm(404, "NOT_FOUND", "UNREGISTERED", "Requested entity was not found."),
    "quota": _fcm(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", "Quota exceeded for sending messages."),
    "unavailable": _fcm(503, "UNAVAILABLE", "UNAVAILABLE", "The service is currently unavailable."),
    "internal": _fcm(500, "INTERNAL", "INTERNAL", "Internal error encountered."),
    "sender_id_mismatch": _fcm(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH", "SenderId mismatch"),
    "third_party_auth": _fcm(
        401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR", "Auth error from APNS or Web Push Service"
    ),
}
UNAUTHENTICATED = error(
    401,
    "UNAUTHENTICATED",
    "Request had invalid authentication credentials. Expected OAuth 2 access token.",
    [{"@type": ERROR_INFO, "reason": "ACCESS_TOKEN_EXPIRED", "domain": "googleapis.com"}],
)
DENIED = error(403, "PERMISSION_DENIED", "Permission 'cloudmessaging.messages.create' denied on the project.", [])
RETRY_LATER = frozenset({"quota", "unavailable"})


def read(content: bytes) -> Accepted:
    """Check a `messages:send` body; raises Invalid with the documented answer."""
    try:
        request = json.loads(content)
    except ValueError as problem:
        raise Invalid("Invalid JSON payload received. Unexpected token.") from problem
    message = _fields(request, REQUEST, "").get("message")
    if not isinstance(message, dict):
        raise Invalid("Message is required.", "message")
    _fields(message, MESSAGE, "message.")
    target = _target(message)
    size = 0
    for key, value in _texts(message.get("data", {}), "message.data"):
        if RESERVED_DATA.match(key):
            raise Invalid(f"Invalid data payload key: {key}", f"message.data[{key}]")
        size += len(key.encode()) + len(value.encode())
    for platform in PLATFORMS:
        if not isinstance(message.get(platform, {}), dict):
            raise Invalid(f"Invalid value at 'message.{platform}'", f"message.{platform}")
    notification = message.get("notification", {})
    size += sum(len(key) + len(value.encode()) for key, value in _texts(notification, "message.notification"))
    if size > PAYLOAD_LIMIT:
        raise Invalid("Android message is too big")
    return Accepted(target, _replacing_tag(message))


def _fields(found: Any, known: set[str], where: str) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise Invalid("Invalid JSON payload received. Expected an object.")
    for name in found.keys() - known:
        raise Invalid(f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.', where + name)
    return found


def _target(message: dict[str, Any]) -> str:
    named = [each for each in ("token", "fid", "topic", "condition") if message.get(each) not in (None, "")]
    if len(named) != 1:
        problem = "Recipient of the message is not set." if not named else "Only one target may be set."
        raise Invalid(problem, "message")
    target = message[named[0]]
    if named[0] not in {"token", "fid"} or not isinstance(target, str):
        raise Invalid("This server sends to one token or fid only.", f"message.{named[0]}")
    if not VISIBLE.fullmatch(target):
        raise Invalid("The registration token is not a valid FCM registration token", f"message.{named[0]}")
    return target


def _texts(found: Any, where: str) -> Iterator[tuple[str, str]]:
    if not isinstance(found, dict):
        raise Invalid(f"Invalid value at '{where}'", where)
    for position, (key, value) in enumerate(found.items()):
        if not isinstance(value, str):
            field = f"{where}[{position}].value"
            raise Invalid(f"Invalid value at '{field}' (TYPE_STRING), {json.dumps(value)}", field)
        yield key, value


def _replacing_tag(message: dict[str, Any]) -> str:
    """Return the tag by which a later message replaces this one; check the blocks of the platforms."""
    android, apns, webpush = (message.get(each, {}) for each in ("android", "apns", "webpush"))
    lifetime = android.get("ttl")
    if lifetime is not None:
        found = DURATION.fullmatch(lifetime) if isinstance(lifetime, str) else None
        if found is None or int(found[1]) > LONGEST_TTL_S:
            raise Invalid("Invalid ttl: an integer number of seconds up to four weeks", "message.android.ttl")
    if android.get("priority", "normal") not in {"normal", "high", "NORMAL", "HIGH"}:
        raise Invalid("Invalid value at 'message.android.priority'", "message.android.priority")
    headers = dict(_texts(apns.get("headers", {}), "message.apns.headers"))
    dict(_texts(webpush.get("headers", {}), "message.webpush.headers"))
    android_tag = android.get("notification", {}).get("tag")
    web_tag = webpush.get("notification", {}).get("tag")
    return str(android_tag or headers.get("apns-collapse-id") or web_tag or "")

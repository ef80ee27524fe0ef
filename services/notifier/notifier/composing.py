"""From a notification and a delivery to the message that a provider takes."""

import datetime as dt
import email.utils
from collections.abc import Awaitable, Callable, Mapping
from email.message import EmailMessage
from email.policy import SMTP
from functools import lru_cache
from html import escape
from typing import Any
from uuid import UUID

from notifier.effects import Courier, Mail, Outcome, Push

NEUTRAL = {
    "academic": "There is news about school work. Open the app to read it.",
    "behavior": "There is news from the school. Open the app to read it.",
    "payment": "There is news about a payment. Open the app to read it.",
}
"""What a push of a sensitive kind says: a locked screen is read by others."""

Send = Callable[[Mapping[str, Any], Mapping[str, Any]], Awaitable[Outcome]]
PLACE = b"recipient@placeholder.invalid"
MARK = b"delivery-placeholder"


def pushes(courier: Courier[Push]) -> Send:
    """Sends deliveries of the push channel."""

    async def send(notification: Mapping[str, Any], delivery: Mapping[str, Any]) -> Outcome:
        return await courier.send(push(notification, delivery, dt.datetime.now(dt.UTC)))

    return send


def mails(courier: Courier[Mail], sender: str) -> Send:
    """Sends deliveries of the mail channel."""

    async def send(notification: Mapping[str, Any], delivery: Mapping[str, Any]) -> Outcome:
        template = rendered(notification["notification_id"], notification["title"], notification["body"], sender)
        address = delivery["address"]
        if not address.isascii() or any(character in address for character in '\r\n<>", '):
            return Outcome("permanent", "address_not_usable")
        content = template.replace(PLACE, address.encode()).replace(MARK, str(delivery["delivery_id"]).encode())
        return await courier.send(Mail(address, content))

    return send


def push(notification: Mapping[str, Any], delivery: Mapping[str, Any], now: dt.datetime) -> Push:
    """A push; its tag is the notification's, so that a repeat replaces it."""
    identity = str(notification["notification_id"])
    expires: dt.datetime | None = notification["expires_at"]
    own = {"notification_id": identity, "type": notification["kind"], "school_id": str(notification["school_id"])}
    return Push(
        token=delivery["address"],
        fid=delivery["fid"],
        title=_one_line(notification["title"]),
        body=NEUTRAL.get(notification["kind"], notification["body"]),
        data={**notification["data"], **own},
        tag=identity,
        urgent=notification["urgent"],
        ttl_seconds=int((expires - now).total_seconds()) if expires else None,
    )


@lru_cache(maxsize=64)
def rendered(notification_id: UUID, title: str, body: str, sender: str) -> bytes:
    """The mail of a notification, rendered once; recipient and delivery are patched in. CRLF line ends."""
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = PLACE.decode()
    message["Subject"] = _one_line(title)
    message["Date"] = email.utils.format_datetime(dt.datetime.now(dt.UTC))
    message["Message-ID"] = f"<{notification_id}.{MARK.decode()}@{email.utils.parseaddr(sender)[1].rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(body)
    paragraphs = "".join(f"<p>{escape(part)}</p>" for part in body.split("\n\n"))
    message.add_alternative(
        f"<!doctype html><html><body><h1>{escape(title)}</h1>{paragraphs}</body></html>", subtype="html"
    )
    return message.as_bytes()


def _one_line(text: str) -> str:
    """A header or a title has one line; a line break in it is a space."""
    return " ".join(text.split())

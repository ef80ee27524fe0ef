"""Builds the message that a provider takes from a notification and a delivery."""

import datetime as dt
import re
from collections.abc import Awaitable, Callable, Mapping
from email.charset import BASE64, QP, Charset
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.policy import compat32
from email.utils import format_datetime, parseaddr
from functools import lru_cache
from html import escape
from typing import Any
from uuid import UUID

import structlog

from notifier.content import builtin
from notifier.content.links import html_text
from notifier.content.mail_headers import ENCODED_WORD, from_line, one_line, subject_line
from notifier.content.template_engine import RenderedContent, direction
from notifier.content.unsubscribe_links import UnsubscribeLinks
from notifier.providers import Courier, Mail, Outcome, Push

log = structlog.get_logger()

Send = Callable[[Mapping[str, Any], Mapping[str, Any]], Awaitable[Outcome]]
"""Sends one delivery of a notification, both as rows, to a provider."""
MESSAGE_NOT_BUILT = "message_not_built"
"""The reason of a delivery whose message cannot be made from its text: trying again would end in the same error."""
MAX_ADDRESS_BYTES = 254
"""RFC 5321 section 4.5.3.1.3, without the angle brackets."""
ATOM = r'[^@. <>()\[\]:;,"\\]+'
DOTTED = rf"{ATOM}(?:\.{ATOM})*"
ADDRESS = re.compile(f"{DOTTED}@{DOTTED}")
PLAIN_HEADERS = compat32.clone(linesep="\r\n", mangle_from_=False)
"""For parts whose headers have nothing to parse: with the policy `SMTP` a mail takes three times as long."""
BOUNDARY = "=_alternative"
"""No part can have it as a line: "=_" is neither in quoted-printable nor in base64 (RFC 2045 section 6.7). Without one
the library compiles a regular expression for each mail, to look for a random one."""
MAX_PUSH_TITLE_BYTES, MAX_PUSH_BODY_BYTES = 400, 1500
"""A push is a hint, the whole text is in the app, and FCM takes 4,096 bytes with title and data."""
BODY_STYLE = "font:16px/1.5 system-ui,sans-serif;max-width:38em;margin:0 auto;padding:16px"
HEADING_STYLE = "font-size:20px;line-height:1.3"
"""Inline, because mail programs drop style sheets; no colours, so that a dark screen stays dark."""


def push_sender(courier: Courier[Push]) -> Send:
    """Return the function that sends deliveries of the push channel."""

    async def send(notification: Mapping[str, Any], delivery: Mapping[str, Any]) -> Outcome:
        try:
            message = build_push(notification, delivery, dt.datetime.now(dt.UTC))
        except Exception:
            log.exception("delivery.message_not_built", delivery_id=delivery["delivery_id"], channel="push")
            return Outcome("permanent", MESSAGE_NOT_BUILT)
        return await courier.send(message)

    return send


def mail_sender(courier: Courier[Mail], sender: str, links: UnsubscribeLinks | None = None) -> Send:
    """Return the function that sends deliveries of the mail channel; with `links` every mail has one to unsubscribe."""
    if len(sender.splitlines()) != 1:
        raise ValueError("the sender is one line")
    domain = parseaddr(sender)[1].rpartition("@")[2]

    async def send(notification: Mapping[str, Any], delivery: Mapping[str, Any]) -> Outcome:
        address = delivery["address"]
        if not is_usable_address(address):
            return Outcome("permanent", "address_not_usable")
        try:
            content, school = content_for(notification, delivery), notification["school_name"] or ""
            mail = build_mail(content, school, sender, notification["notification_id"])
            message = Mail(address, recipient_headers(notification, delivery, domain, links) + mail)
        except Exception:
            log.exception("delivery.message_not_built", delivery_id=delivery["delivery_id"], channel="mail")
            return Outcome("permanent", MESSAGE_NOT_BUILT)
        return await courier.send(message)

    return send


def is_usable_address(address: str) -> bool:
    """Return whether an address can be in an envelope and a header as it is: no space, control or encoded word.

    Addresses beyond ASCII are for the courier: its server accepts them or not (RFC 6531).
    """
    whole = address.isprintable() and ENCODED_WORD not in address and ADDRESS.fullmatch(address) is not None
    return whole and len(address.encode()) <= MAX_ADDRESS_BYTES


def content_for(notification: Mapping[str, Any], delivery: Mapping[str, Any]) -> RenderedContent:
    """Return the content in a person's language, as it was rendered when the notification was planned."""
    by_language = notification["content"] or {}
    found = by_language.get(delivery["language"]) or by_language.get(notification["school_language"])
    if found is None:
        title, body = notification["title"], notification["body"]
        return RenderedContent(title, body, title, body)
    return RenderedContent(**found)


def build_push(notification: Mapping[str, Any], delivery: Mapping[str, Any], now: dt.datetime) -> Push:
    """Build a push; its tag is the notification's id, so that a repeat replaces it."""
    identity = str(notification["notification_id"])
    expires: dt.datetime | None = notification["expires_at"]
    own = {"notification_id": identity, "type": notification["kind"], "school_id": str(notification["school_id"])}
    title, body = lock_screen_text(notification, delivery)
    return Push(
        token=delivery["address"],
        fid=delivery["fid"],
        title=_shortened(one_line(title), MAX_PUSH_TITLE_BYTES),
        body=_shortened(body, MAX_PUSH_BODY_BYTES),
        data={**notification["data"], **own},
        tag=identity,
        urgent=notification["urgent"],
        ttl_seconds=int((expires - now).total_seconds()) if expires else None,
    )


def lock_screen_text(notification: Mapping[str, Any], delivery: Mapping[str, Any]) -> tuple[str, str]:
    """Return title and body as a lock screen shows them, which other people read as well.

    For a sensitive kind these are the school's name and that there is news, unless the school shows more
    (`mute_details` off).
    """
    if notification["mute_details"]:
        school_language = notification["school_language"] or "en"
        neutral = builtin.neutral_text(notification["kind"], delivery["language"], school_language)
        if neutral is not None:
            return notification["school_name"] or "", neutral
    content = content_for(notification, delivery)
    return content.push_title, content.push_body


def recipient_headers(
    notification: Mapping[str, Any], delivery: Mapping[str, Any], domain: str, links: UnsubscribeLinks | None
) -> bytes:
    """Return the header lines that differ from mail to mail; a repeat has the same Message-ID."""
    lines = [
        f"To: {delivery['address']}",
        f"Message-ID: <{notification['notification_id']}.{delivery['delivery_id']}@{domain}>",
    ]
    if links is not None and notification["kind"] != "safety":
        link = links.link(delivery["school_id"], delivery["person_id"], notification["kind"])
        lines += [f"List-Unsubscribe: <{link}>", "List-Unsubscribe-Post: List-Unsubscribe=One-Click"]
    return "".join(f"{line}\r\n" for line in lines).encode()


@lru_cache(maxsize=64)
def build_mail(content: RenderedContent, school: str, sender: str, _notification_id: UUID) -> bytes:
    """Build the mail of a notification without its recipient's headers, once. CRLF line ends, 7 bit.

    It comes from the school, by name, at the sender's address.
    """
    named, address = parseaddr(sender)
    lines = [
        from_line(school or named, address),
        subject_line(content.title),
        f"Date: {format_datetime(dt.datetime.now(dt.UTC))}\r\n",
        "Auto-Submitted: auto-generated\r\n",
    ]
    if content.language is not None:
        lines.append(f"Content-Language: {content.language}\r\n")
    body = MIMEMultipart("alternative", BOUNDARY, policy=PLAIN_HEADERS)
    body.attach(_text_part(content.body, "plain"))
    body.attach(_text_part(html_page(content), "html"))
    return "".join(lines).encode("ascii") + body.as_bytes()


def _text_part(text: str, subtype: str) -> MIMENonMultipart:
    """Make a part in 7 bit, which every server accepts, in the encoding that is the shorter one for its letters."""
    part, whole = MIMENonMultipart("text", subtype, policy=PLAIN_HEADERS), len(text.encode())
    beyond_ascii = whole - len(text.encode("ascii", "ignore"))
    if beyond_ascii * 6 < whole:
        part.set_payload(text, QUOTED)
    else:  # RFC 2045 section 6.8: its line ends are CRLF before they are encoded
        part.set_payload(text.replace("\r\n", "\n").replace("\n", "\r\n"), IN_BASE64)
    return part


def _utf_8(encoding: int) -> Charset:
    charset = Charset("utf-8")
    charset.body_encoding = encoding
    return charset


QUOTED, IN_BASE64 = _utf_8(QP), _utf_8(BASE64)


def html_page(content: RenderedContent) -> str:
    """Return the HTML of a mail in the direction of its language; without one the reader's program decides."""
    paragraphs = "".join(f"<p>{html_text(part)}</p>" for part in content.body.split("\n\n"))
    tag = content.language
    language = f' lang="{escape(tag)}" dir="{direction(tag)}"' if tag else ' dir="auto"'
    return (
        f'<!doctype html><html{language}><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"></head><body{language} style="{BODY_STYLE}">'
        f'<h1 style="{HEADING_STYLE}">{escape(content.title)}</h1>{content.html or paragraphs}</body></html>'
    )


def _shortened(text: str, most: int) -> str:
    """Return the text in at most `most` bytes of UTF-8, cut between characters."""
    content = text.encode()
    return text if len(content) <= most else content[: most - 3].decode(errors="ignore") + "…"

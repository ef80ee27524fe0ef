"""From a notification and a delivery to the message that a provider takes."""

import datetime as dt
import hmac
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from functools import lru_cache
from html import escape
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import UUID

from notifier.content import builtin
from notifier.content.template_engine import direction
from notifier.providers import Courier, Mail, Outcome, Push

Send = Callable[[Mapping[str, Any], Mapping[str, Any]], Awaitable[Outcome]]
LONGEST_ADDRESS = 254
"""RFC 5321 section 4.5.3.1.3, without the angle brackets."""
ATOM = r'[^@. <>()\[\]:;,"\\]+'
DOTTED = rf"{ATOM}(?:\.{ATOM})*"
ADDRESS = re.compile(f"{DOTTED}@{DOTTED}")
SEVEN_BIT = SMTP.clone(cte_type="7bit")
"""Every server takes it; what is beyond ASCII travels encoded."""
LINK = re.compile(r"https://[A-Za-z0-9._~:/@%+-]+")
LONGEST_PUSH_TITLE, LONGEST_PUSH_BODY = 400, 1500
"""Bytes: a push is a hint, the whole text is in the app, and FCM takes 4,096 bytes with title and data."""
LOOKS = "font:16px/1.5 system-ui,sans-serif;max-width:38em;margin:0 auto;padding:16px"
HEADING = "font-size:20px;line-height:1.3"
"""Inline, because mail programs drop style sheets; no colours, so that a dark screen stays dark."""


@dataclass(frozen=True, slots=True)
class OneClick:
    """Where mail programs tell that somebody wants no more mails of a kind (RFC 8058).

    `url` is public https, without a query; `key` signs the links, because whoever can make one can unsubscribe others.
    """

    url: str
    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme != "https" or not parts.hostname or not LINK.fullmatch(self.url):
            raise ValueError("the address for unsubscribing must be a public https URL without query or fragment")

    def link(self, school_id: UUID, person_id: UUID, kind: str) -> str:
        """The person's own link for one kind of notification."""
        what = f"{school_id}.{person_id}.{quote(kind, safe='')}"
        return f"{self.url.rstrip('/')}/{what}.{self._signature(what)}"

    def holds(self, token: str) -> bool:
        """Whether the last part of a link was made with this key."""
        what, _, signature = token.rpartition(".")
        return hmac.compare_digest(self._signature(what).encode(), signature.encode())

    def _signature(self, what: str) -> str:
        return hmac.digest(self.key, what.encode(), "sha256").hex()


def pushes(courier: Courier[Push]) -> Send:
    """Sends deliveries of the push channel."""

    async def send(notification: Mapping[str, Any], delivery: Mapping[str, Any]) -> Outcome:
        return await courier.send(push(notification, delivery, dt.datetime.now(dt.UTC)))

    return send


def mails(courier: Courier[Mail], sender: str, unsubscribe: OneClick | None = None) -> Send:
    """Sends deliveries of the mail channel; with `unsubscribe` every mail carries its one-click link."""
    if len(sender.splitlines()) != 1:
        raise ValueError("the sender is one line")
    domain = parseaddr(sender)[1].rpartition("@")[2]

    async def send(notification: Mapping[str, Any], delivery: Mapping[str, Any]) -> Outcome:
        address = delivery["address"]
        if not usable(address):
            return Outcome("permanent", "address_not_usable")
        said = words_for(notification, delivery)
        template = rendered(said, notification["school_name"] or "", sender, notification["notification_id"])
        return await courier.send(Mail(address, own_headers(notification, delivery, domain, unsubscribe) + template))

    return send


def usable(address: str) -> bool:
    """Whether an address can stand in an envelope and a header as it is: no quoting, no space, no control character.

    Addresses beyond ASCII are for the courier: its server takes them or not (RFC 6531).
    """
    whole = address.isprintable() and ADDRESS.fullmatch(address) is not None
    return whole and len(address.encode()) <= LONGEST_ADDRESS


def own_headers(
    notification: Mapping[str, Any], delivery: Mapping[str, Any], domain: str, unsubscribe: OneClick | None
) -> bytes:
    """The lines that differ from mail to mail; a repeat has the same Message-ID."""
    lines = [
        f"To: {delivery['address']}",
        f"Message-ID: <{notification['notification_id']}.{delivery['delivery_id']}@{domain}>",
    ]
    if unsubscribe is not None and notification["kind"] != "safety":
        link = unsubscribe.link(delivery["school_id"], delivery["person_id"], notification["kind"])
        lines += [f"List-Unsubscribe: <{link}>", "List-Unsubscribe-Post: List-Unsubscribe=One-Click"]
    return "".join(f"{line}\r\n" for line in lines).encode()


def push(notification: Mapping[str, Any], delivery: Mapping[str, Any], now: dt.datetime) -> Push:
    """A push; its tag is the notification's, so that a repeat replaces it."""
    identity = str(notification["notification_id"])
    expires: dt.datetime | None = notification["expires_at"]
    own = {"notification_id": identity, "type": notification["kind"], "school_id": str(notification["school_id"])}
    title, body = shown(notification, delivery)
    return Push(
        token=delivery["address"],
        fid=delivery["fid"],
        title=_shortened(_one_line(title), LONGEST_PUSH_TITLE),
        body=_shortened(body, LONGEST_PUSH_BODY),
        data={**notification["data"], **own},
        tag=identity,
        urgent=notification["urgent"],
        ttl_seconds=int((expires - now).total_seconds()) if expires else None,
    )


def shown(notification: Mapping[str, Any], delivery: Mapping[str, Any]) -> tuple[str, str]:
    """Title and body as a locked screen shows them, which others read as well.

    Of a sensitive kind these are the school's name and that there is news, unless the school lets it show more
    (`mute_details` off).
    """
    said = words_for(notification, delivery)
    title, body = said.push_title, said.push_body
    if notification["mute_details"]:
        quiet = builtin.neutral(notification["kind"], delivery["language"], notification["school_language"] or "en")
        if quiet is not None:
            title, body = notification["school_name"] or "", quiet
    return title, body


@dataclass(frozen=True, slots=True)
class Said:
    """The words for one person. `language` is None where a person wrote them, in whatever language."""

    title: str
    body: str
    push_title: str
    push_body: str
    html: str | None = None
    language: str | None = None


def words_for(notification: Mapping[str, Any], delivery: Mapping[str, Any]) -> Said:
    """The words in a person's language, as they were rendered when the notification was planned."""
    by_language = notification["words"] or {}
    found = by_language.get(delivery["language"]) or by_language.get(notification["school_language"])
    if found is None:
        title, body = notification["title"], notification["body"]
        return Said(title, body, title, body)
    names = ("title", "body", "push_title", "push_body", "html")
    return Said(**{name: found[name] for name in names}, language=found["spoken"])


@lru_cache(maxsize=64)
def rendered(said: Said, school: str, sender: str, _notification_id: UUID) -> bytes:
    """The mail of a notification but for its own headers, which go in front; rendered once. CRLF line ends, 7 bit.

    It comes from the school, by name, at the sender's address.
    """
    message = EmailMessage(policy=SEVEN_BIT)
    message["From"] = Address(_one_line(school), addr_spec=parseaddr(sender)[1]) if school else sender
    message["Subject"] = _one_line(said.title)
    message["Date"] = format_datetime(dt.datetime.now(dt.UTC))
    message["Auto-Submitted"] = "auto-generated"
    if said.language is not None:
        message["Content-Language"] = said.language
    message.set_content(said.body)
    message.add_alternative(page(said), subtype="html")
    return message.as_bytes()


def page(said: Said) -> str:
    """The HTML of a mail, in the direction of its language; of words without one the reader's program decides."""
    paragraphs = "".join(f"<p>{escape(part).replace(chr(10), '<br>')}</p>" for part in said.body.split("\n\n"))
    language = f' lang="{escape(said.language)}" dir="{direction(said.language)}"' if said.language else ' dir="auto"'
    return (
        f'<!doctype html><html{language}><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"></head><body{language} style="{LOOKS}">'
        f'<h1 style="{HEADING}">{escape(said.title)}</h1>{said.html or paragraphs}</body></html>'
    )


def _shortened(text: str, most: int) -> str:
    """The text in at most `most` bytes of UTF-8, cut between characters."""
    content = text.encode()
    return text if len(content) <= most else content[: most - 3].decode(errors="ignore") + "…"


def _one_line(text: str) -> str:
    """A header or a title has one line; a line break or a control character in it is a space."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())

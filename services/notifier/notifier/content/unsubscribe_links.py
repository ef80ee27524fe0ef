"""Signed links with which a person unsubscribes from mails of a kind in one click (RFC 8058)."""

import hmac
import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit
from uuid import UUID

URL = re.compile(r"https://[A-Za-z0-9._~:/@%+-]+")
ALL_KINDS = "all"
"""The kind of a digest of several kinds: unsubscribing from it is unsubscribing from them all."""


@dataclass(frozen=True, slots=True)
class UnsubscribeLinks:
    """Makes and verifies the links. `url` is public https, without a query.

    `key` signs them, because a person who can make a link can unsubscribe others.
    """

    url: str
    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme != "https" or not parts.hostname or not URL.fullmatch(self.url):
            raise ValueError("the address for unsubscribing must be a public https URL without query or fragment")

    def link(self, school_id: UUID, person_id: UUID, kind: str) -> str:
        """Return a person's own link for one kind of notification."""
        claim = f"{school_id}.{person_id}.{quote(kind, safe='')}"
        return f"{self.url.rstrip('/')}/{claim}.{self._signature(claim)}"

    def read(self, token: str) -> tuple[UUID, UUID, str] | None:
        """Return school, person and kind from the last part of a link; None where this key did not sign it."""
        claim, _, signature = token.rpartition(".")
        if not hmac.compare_digest(self._signature(claim).encode(), signature.encode()):
            return None
        school_id, person_id, kind = claim.split(".")
        return UUID(school_id), UUID(person_id), unquote(kind)

    def _signature(self, claim: str) -> str:
        return hmac.digest(self.key, claim.encode(), "sha256").hex()

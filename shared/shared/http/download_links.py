"""Tokens of links to blobs: each lets its holder download one blob for some minutes, without signing in.

A token is encrypted and authenticated (Fernet: AES-128-CBC, HMAC-SHA-256), so that an address in the log of a proxy
shows neither the name of a file nor a school. Its key is derived from the key of the installation: every service can
make links, and no other key has to be kept.
"""

import datetime as dt
from base64 import urlsafe_b64encode
from typing import Annotated
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints

from shared.errors import SchoolConnectError

PURPOSE = b"download links, version 1"
"""Separates this key from others that are derived from the same one (RFC 5869, 3.2)."""

MOST_CHARACTERS = 4_000
"""A longer token is not read: a name has at most 255 characters."""


class LinkRefused(SchoolConnectError):
    """The link was not made here, or was altered."""


class LinkExpired(SchoolConnectError):
    """The link is too old."""


class Download(BaseModel):
    """What a link is for. `name` is what the person's file is called, `media_type` what it is delivered as."""

    model_config = ConfigDict(frozen=True)

    key: str
    name: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    media_type: Annotated[str, StringConstraints(pattern=r"^[a-z]+/[a-z0-9][a-z0-9.+-]{0,99}$")]
    school: UUID


class _Signed(Download):
    until: AwareDatetime


class DownloadLinks:
    """Makes and reads tokens."""

    def __init__(self, master_key: bytes, lifetime: dt.timedelta) -> None:
        derived = HKDF(SHA256(), length=32, salt=None, info=PURPOSE).derive(master_key)
        self._fernet = Fernet(urlsafe_b64encode(derived))
        self._lifetime = lifetime

    def sign(self, download: Download, now: dt.datetime | None = None) -> str:
        """Return a token for `download`, which ends after the lifetime."""
        until = (now or dt.datetime.now(dt.UTC)) + self._lifetime
        signed = _Signed(**download.model_dump(), until=until)
        return self._fernet.encrypt(signed.model_dump_json().encode()).decode()

    def read(self, token: str, now: dt.datetime | None = None) -> Download:
        """Return what a token is for; raises LinkRefused or LinkExpired."""
        if len(token) > MOST_CHARACTERS:
            raise LinkRefused("the link is too long")
        try:
            signed = _Signed.model_validate_json(self._fernet.decrypt(token))
        except (InvalidToken, ValueError) as problem:
            raise LinkRefused("the link was altered, or is incomplete") from problem
        if signed.until <= (now or dt.datetime.now(dt.UTC)):
            raise LinkExpired(f"the link ended at {signed.until:%Y-%m-%d %H:%M:%S} UTC")
        return signed

"""Devices: an app installation that no longer takes pushes."""

import datetime as dt
from typing import ClassVar
from uuid import UUID

from shared.events.event import Event


class DeviceInvalidated(Event):
    """The push provider no longer knows a token. It counts only for a registration at or before `attempted_at`.

    Tokens are personal, and a hash is enough to find one: SHA-256 of its UTF-8 bytes, in lower-case hexadecimal.
    """

    topic: ClassVar[str] = "device.invalidated"

    school_id: UUID
    person_id: UUID
    token_sha256: str
    attempted_at: dt.datetime

    @property
    def subject(self) -> str:
        return self.token_sha256

"""Devices: app installations that no longer accept push messages."""

import datetime as dt
from typing import ClassVar
from uuid import UUID

from shared.events.event import Event


class DeviceInvalidated(Event):
    """The push provider no longer knows a device token. Registrations after `attempted_at` stay valid.

    The event carries a hash because tokens are personal data: SHA-256 of the UTF-8 bytes, in lower-case hexadecimal.
    """

    topic: ClassVar[str] = "device.invalidated"

    school_id: UUID
    person_id: UUID
    token_sha256: str
    attempted_at: dt.datetime

    @property
    def subject(self) -> str:
        return self.token_sha256

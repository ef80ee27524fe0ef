"""Tokens for people at their own machine, signed with the local stack's key."""

import datetime as dt
from pathlib import Path
from uuid import UUID

from shared.events.directory import Role
from shared.tokens import Claims, sign

TTL = dt.timedelta(minutes=15)


def make(signing_key: Path, role: Role, school: UUID | None = None, person: UUID | None = None) -> str:
    """A bearer token, good for 15 minutes."""
    return sign(signing_key.read_bytes(), Claims(role=role, school=school, person=person), TTL)

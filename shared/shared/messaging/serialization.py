"""From bytes on the wire back to facts."""

from collections.abc import Sequence
from typing import Any

import orjson

from shared.errors import Malformed, UnknownMajor
from shared.events.envelope import Envelope
from shared.events.event import Event
from shared.persistence.encryption import SubjectKeyStore, decrypt_personal, encryption_subject


def event_type(envelope: Envelope) -> type[Event]:
    """Return the event type of a message; raises UnknownMajor if this code does not know it."""
    known = Event.known.get((envelope.type, envelope.major))
    if known is None:
        raise UnknownMajor(f"{envelope.type} major {envelope.major} is unknown to this version")
    return known


def parse(body: bytes) -> dict[str, Any]:
    """Parse the JSON object in a body; raises Malformed."""
    try:
        found = orjson.loads(body)
    except ValueError as problem:
        raise Malformed("body: not JSON") from problem
    if not isinstance(found, dict):
        raise Malformed("body: not a JSON object")
    return found


async def decrypt_bodies(raw: Sequence[bytes], vault: SubjectKeyStore) -> list[dict[str, Any]]:
    """Parse bodies and decrypt their personal fields, with one lookup of keys for all."""
    sealed = [parse(body) for body in raw]
    subjects = [encryption_subject(body) for body in sealed]
    keys = await vault.keys(found) if (found := {s for s in subjects if s}) else {}
    return [decrypt_personal(body, keys.get(who) if who else None) for body, who in zip(sealed, subjects, strict=True)]


async def deserialize(envelope: Envelope, body: bytes, vault: SubjectKeyStore) -> Event:
    """Read the event of a message; raises Malformed, UnknownMajor, or pydantic's ValidationError."""
    known = event_type(envelope)
    return known.model_validate((await decrypt_bodies([body], vault))[0])

"""From bytes on the wire back to facts."""

from collections.abc import Sequence
from typing import Any

import orjson

from shared.errors import Malformed, UnknownMajor
from shared.events.envelope import Envelope
from shared.events.event import Event
from shared.persistence.encryption import SubjectKeyStore, decrypt_personal, sealed_subject


def event_type(envelope: Envelope) -> type[Event]:
    """The contract that a message was written to; raises UnknownMajor when this code has none for it."""
    known = Event.known.get((envelope.type, envelope.major))
    if known is None:
        raise UnknownMajor(f"{envelope.type} major {envelope.major} is not known to this version")
    return known


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object in a body; raises Malformed."""
    try:
        found = orjson.loads(body)
    except ValueError as problem:
        raise Malformed("body: not JSON") from problem
    if not isinstance(found, dict):
        raise Malformed("body: not a JSON object")
    return found


async def decrypt_bodies(raw: Sequence[bytes], vault: SubjectKeyStore) -> list[dict[str, Any]]:
    """Bodies with their personal fields opened, with one look-up of keys for all of them."""
    sealed = [parse(body) for body in raw]
    subjects = [sealed_subject(body) for body in sealed]
    keys = await vault.keys(found) if (found := {s for s in subjects if s}) else {}
    return [decrypt_personal(body, keys.get(who) if who else None) for body, who in zip(sealed, subjects, strict=True)]


async def deserialize(envelope: Envelope, body: bytes, vault: SubjectKeyStore) -> Event:
    """The fact in one message; raises Malformed, UnknownMajor, or pydantic's ValidationError."""
    known = event_type(envelope)
    return known.model_validate((await decrypt_bodies([body], vault))[0])

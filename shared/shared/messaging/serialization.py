"""From bytes on the wire back to facts."""

from collections.abc import Sequence
from typing import Any

import orjson

from shared.errors import Malformed, UnknownMajor
from shared.events.envelope import Envelope
from shared.events.event import Event
from shared.persistence.encryption import Vault, sealed_subject, unseal


def event_type(envelope: Envelope) -> type[Event]:
    """The contract that a message was written to; raises UnknownMajor when this code has none for it."""
    known = Event.known.get((envelope.type, envelope.major))
    if known is None:
        raise UnknownMajor(f"{envelope.type} major {envelope.major} is not known to this version")
    return known


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object in a body; raises Malformed."""
    try:
        read = orjson.loads(body)
    except ValueError as problem:
        raise Malformed("body: not JSON") from problem
    if not isinstance(read, dict):
        raise Malformed("body: not a JSON object")
    return read


async def bodies(raw: Sequence[bytes], vault: Vault) -> list[dict[str, Any]]:
    """Bodies with their personal fields opened, with one look-up of keys for all of them."""
    sealed = [parse(body) for body in raw]
    subjects = [sealed_subject(body) for body in sealed]
    keys = await vault.keys(found) if (found := {s for s in subjects if s}) else {}
    return [unseal(body, keys.get(who) if who else None) for body, who in zip(sealed, subjects, strict=True)]


async def read(envelope: Envelope, body: bytes, vault: Vault) -> Event:
    """The fact in one message; raises Malformed, UnknownMajor, or pydantic's ValidationError."""
    known = event_type(envelope)
    return known.model_validate((await bodies([body], vault))[0])

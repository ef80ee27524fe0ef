"""Faults that a test or a person switches on in a fake (`POST /faults`)."""

import random
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field

Rate = Annotated[float, Field(ge=0, le=1)]
"""A share of the calls, 0 to 1."""


class Faults(BaseModel):
    """The faults of every fake. `seed` makes the draws repeatable."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    latency_ms: Annotated[float, Field(ge=0, le=600_000)] = 0.0
    seed: int | None = None

    def changed(self, change: dict[str, Any]) -> Self:
        """Return these faults with the named ones changed; `reset` switches all others off.

        Raises pydantic.ValidationError for an unknown name or a value out of range.
        """
        change = dict(change)
        kept = {} if change.pop("reset", False) else self.model_dump()
        return type(self).model_validate(kept | change)


class FcmFaults(Faults):
    """Rates of FCM's documented errors, drawn per call; `unregistered` is drawn per token and stays.

    `drop` accepts the message and breaks the answer off.
    """

    unavailable: Rate = 0.0
    quota: Rate = 0.0
    internal: Rate = 0.0
    sender_id_mismatch: Rate = 0.0
    third_party_auth: Rate = 0.0
    unregistered: Rate = 0.0
    unregistered_tokens: list[str] = []
    drop: Rate = 0.0
    retry_after_s: Annotated[int, Field(ge=0, le=86_400)] | None = None
    retry_after_as_date: bool = False
    token_lifetime_s: Annotated[int, Field(ge=1, le=3600)] = 3600
    refuse_grants: bool = False


class SmtpFaults(Faults):
    """Rates of SMTP replies per recipient (`defer` 451, `reject` 550) and per message (`drop`).

    `busy_addresses` are replied to with 421, which ends the connection; for `reset_addresses` it is reset without a
    reply. `down` closes all connections and greets new ones with 421; `drop` accepts the message and closes without a
    reply. `refuse_clients` replies to every MAIL with 530, as a server that does not accept who signed in.
    """

    defer: Rate = 0.0
    reject: Rate = 0.0
    reject_addresses: list[str] = []
    busy_addresses: list[str] = []
    reset_addresses: list[str] = []
    drop: Rate = 0.0
    down: bool = False
    refuse_clients: bool = False


class Dice:
    """Draw one named fault per call from rates; the same seed gives the same draws."""

    def __init__(self, seed: int | None, rates: dict[str, float]) -> None:
        self.random = random.Random(seed)  # noqa: S311 - faults, not secrets
        self.bounds: list[tuple[float, str]] = []
        edge = 0.0
        for name, rate in rates.items():
            if rate:
                edge += rate
                self.bounds.append((edge, name))

    def draw(self) -> str | None:
        if not self.bounds:
            return None
        point = self.random.random()
        return next((name for edge, name in self.bounds if point < edge), None)

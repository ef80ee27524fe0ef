"""The outside world of the notifier: push and mail providers behind one small Protocol.

A courier never raises for what a provider answers: every answer is an Outcome, and so is silence.
"""

from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

OutcomeKind = Literal[
    "accepted", "transient", "throttled", "permanent", "bounced", "token_dead", "config", "unknown", "withheld"
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a provider said. `retry_after` in seconds; `reason` is a code, never an address or a text.

    accepted: taken over. transient: not now. throttled: too fast. permanent: never. token_dead: forget this token.
    bounced: there is no such mailbox. config: our credentials or sender are wrong, no message would pass.
    unknown: no answer came, it may have been taken. withheld: no call was made, the provider is being left alone.
    """

    kind: OutcomeKind
    reason: str = ""
    provider_id: str | None = None
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Push:
    """One push to one app installation. A later push with the same `tag` replaces this one on the device."""

    token: str
    title: str
    body: str
    tag: str
    fid: str | None = None
    data: dict[str, str] = field(default_factory=dict)
    urgent: bool = False
    ttl_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Mail:
    """One rendered message (RFC 5322, CRLF line ends) for one recipient."""

    recipient: str
    content: bytes


M_contra = TypeVar("M_contra", contravariant=True)


class Courier(Protocol[M_contra]):
    """Hands messages to one provider."""

    async def send(self, message: M_contra) -> Outcome:
        """Hand one message over; returns within the courier's own time limit."""

    async def close(self) -> None:
        """Give connections back."""

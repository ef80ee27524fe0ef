"""Push and mail providers behind one small Protocol.

A courier never raises for what a provider answers: every answer is an Outcome, and so is a missing one.
"""

from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from notifier.domain.delivery import OutcomeKind


@dataclass(frozen=True, slots=True)
class Outcome:
    """A provider's answer. `retry_after` is in seconds; `reason` is a code, never an address or a text.

    accepted: the provider delivers it. transient: not at the moment. throttled: too fast. permanent: never.
    token_dead: the device is not registered any more. bounced: there is no such mailbox. config: our credentials or
    sender are wrong, so no message would pass. unknown: no answer came, the provider may have accepted it.
    withheld: no call was made, the circuit is open.
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
    """Sends messages to one provider."""

    async def send(self, message: M_contra) -> Outcome:
        """Send one message; return within the courier's own time limit."""

    async def close(self) -> None:
        """Close the connections."""

"""Pure rules of the notifier: what becomes of a delivery after a provider answered, and when to try again."""

from dataclasses import dataclass
from typing import Literal

DeliveryState = Literal[
    "pending", "held", "sending", "accepted", "failed", "suppressed", "cancelled", "expired", "unknown", "read"
]

MOVES: dict[DeliveryState, frozenset[DeliveryState]] = {
    "pending": frozenset({"sending", "held", "suppressed", "cancelled", "expired"}),
    "held": frozenset({"pending", "suppressed", "cancelled", "expired"}),
    "sending": frozenset({"pending", "accepted", "failed", "suppressed", "expired", "unknown"}),
    "accepted": frozenset({"read"}),
    "failed": frozenset(),
    "suppressed": frozenset(),
    "cancelled": frozenset(),
    "expired": frozenset(),
    "unknown": frozenset(),
    "read": frozenset(),
}
"""The only moves there are; a resend is a new round, not a move."""

FINAL = frozenset(state for state, onward in MOVES.items() if onward <= {"read"})

MAX_ATTEMPTS = 10
"""With the backoff below, about a quarter of an hour of trying: longer than a provider's usual bad minutes."""
MAX_CONFIG_ATTEMPTS = 1440
CONFIG_SECONDS = 60.0
"""Wrong credentials are nobody's message's fault: once a minute, for about a day, until somebody mends them."""
BASE_SECONDS = 4.0
LONGEST_SECONDS = 600.0

OutcomeKind = Literal["accepted", "transient", "throttled", "permanent", "token_dead", "config", "unknown"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a delivery becomes; `due_in` seconds where it is to be tried again."""

    state: DeliveryState
    reason: str | None = None
    due_in: float = 0.0


def judge(kind: OutcomeKind, reason: str, attempts: int, retry_after: float | None, luck: float) -> Verdict:
    """A provider answered attempt number `attempts`. `luck` in [0, 1) spreads the retries.

    Retry-After is a floor, never a ceiling (RFC 9110 section 10.2.3). An answer that never came is tried again,
    because a repeat replaces what the person sees; a delivery that only ever got silence ends as `unknown`.
    """
    if kind == "accepted":
        return Verdict("accepted")
    if kind in ("permanent", "token_dead"):
        return Verdict("failed", reason)
    if kind == "config" and attempts < MAX_CONFIG_ATTEMPTS:
        return Verdict("pending", reason, max(retry_after or 0.0, CONFIG_SECONDS * (0.5 + luck)))
    if attempts >= MAX_ATTEMPTS:
        return Verdict("unknown" if kind == "unknown" else "failed", reason)
    return Verdict("pending", reason, max(retry_after or 0.0, backoff(attempts, luck)))


def backoff(attempts: int, luck: float) -> float:
    """Seconds to wait after attempt number `attempts`: between half of a doubling ceiling and all of it."""
    ceiling = min(LONGEST_SECONDS, BASE_SECONDS * 2 ** (attempts - 1))
    return float(ceiling) * (0.5 + luck / 2)


def lane(channel: str, *, urgent: bool) -> str:
    """The queue of permits for a channel."""
    return f"{channel}.{'urgent' if urgent else 'bulk'}"

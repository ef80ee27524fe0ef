"""Pure rules of the notifier: what becomes of a delivery after a provider answered, and when to try again."""

import re
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
"""The only moves there are; a resend is a new round, not a move. The database has the same table, `keep_to_moves`."""

STARTS: frozenset[DeliveryState] = frozenset({"pending", "held", "accepted", "suppressed", "expired"})
"""How a planned delivery may begin; `accepted` is the inbox, whose provider we are ourselves."""

FINAL = frozenset(state for state, onward in MOVES.items() if onward <= {"read"})

MOST_SILENT = 10
"""Calls that were never answered: each may have been taken, so a mail may arrive as often."""
MAX_ATTEMPTS = 200
"""Refusals for now: with the backoff below, more than a day. What must not come late has an expiry."""
MAX_PATIENCE = 1440
CONFIG_SECONDS = 60.0
"""Wrong credentials are nobody's message's fault: once a minute, for about a day, until somebody mends them."""
BASE_SECONDS = 4.0
LONGEST_SECONDS = 600.0

OutcomeKind = Literal[
    "accepted", "transient", "throttled", "permanent", "bounced", "token_dead", "config", "unknown", "withheld"
]
PATIENT: frozenset[OutcomeKind] = frozenset({"throttled", "config", "withheld"})
"""What is not held against a delivery: the provider asks for patience, or the fault is ours."""
UNWELL: frozenset[OutcomeKind] = frozenset({"transient", "throttled", "config", "unknown"})
"""What says that the provider, or our standing with it, is unwell; anything else says that it works."""
SURE_BOUNCE = re.compile(r"smtp_5\d\d_5\.(1\.(1|2|3|6|10)|2\.1)")
"""No such mailbox, host or address, moved, null MX, disabled (RFC 3463, RFC 7505)."""
UNSURE_BOUNCES = 3


@dataclass(frozen=True, slots=True)
class Tries:
    """How often a provider has been called for a delivery, this time included, and what came of it.

    `silent` calls were never answered; `patient` ones are not held against it. Each kind has a bound of its own.
    """

    attempts: int
    silent: int = 0
    patient: int = 0

    def of(self, kind: OutcomeKind) -> tuple[int, int]:
        """How often it ended as this time, and how often it may."""
        if kind in PATIENT:
            return self.patient, MAX_PATIENCE
        if kind == "unknown":
            return self.silent, MOST_SILENT
        return self.attempts - self.silent - self.patient, MAX_ATTEMPTS


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a delivery becomes; `due_in` seconds where it is to be tried again."""

    state: DeliveryState
    reason: str | None = None
    due_in: float = 0.0


def judge(kind: OutcomeKind, reason: str, tries: Tries, retry_after: float | None, luck: float) -> Verdict:
    """A provider answered. `luck` in [0, 1) spreads the retries.

    Retry-After is a floor, never a ceiling (RFC 9110 section 10.2.3). An answer that never came is tried again,
    because a repeat replaces what the person sees; a delivery that ended in silence is `unknown`. An outage of a day
    loses nothing, throttling and our own configuration are waited for longer, but nothing is waited for without end.
    """
    if kind == "accepted":
        return Verdict("accepted")
    if kind in ("permanent", "bounced", "token_dead"):
        return Verdict("failed", reason)
    if kind == "withheld":
        return Verdict("pending", reason, retry_after or 0.0)
    spent, most = tries.of(kind)
    if spent >= most:
        return Verdict("unknown" if kind == "unknown" else "failed", reason)
    pause = CONFIG_SECONDS * (0.5 + luck) if kind == "config" else backoff(spent, luck)
    return Verdict("pending", reason, max(retry_after or 0.0, pause))


def suppresses(reason: str, times: int) -> bool:
    """Whether an address that bounced `times` times is written to no more.

    A server that says which (enhanced status code) is believed at once; a bare 550 may be a matter of policy or of
    greylisting gone wrong, so it has to come again.
    """
    return SURE_BOUNCE.fullmatch(reason) is not None or times >= UNSURE_BOUNCES


def backoff(attempts: int, luck: float) -> float:
    """Seconds to wait after so many attempts of a kind: between half of a doubling ceiling and all of it."""
    ceiling = min(LONGEST_SECONDS, BASE_SECONDS * 2 ** min(max(attempts, 1) - 1, 10))
    return float(ceiling) * (0.5 + luck / 2)


def lane(channel: str, *, urgent: bool) -> str:
    """The queue of permits for a channel."""
    return f"{channel}.{'urgent' if urgent else 'bulk'}"

"""Rules of a delivery: its states, what a provider's answer leads to, and when to try again. Pure."""

import re
from dataclasses import dataclass
from typing import Literal

DeliveryState = Literal[
    "pending", "held", "sending", "accepted", "failed", "suppressed", "cancelled", "expired", "unknown", "read"
]

TRANSITIONS: dict[DeliveryState, frozenset[DeliveryState]] = {
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
"""All allowed changes of state; a resend is a new round of rows. The trigger `keep_to_moves` has the same table."""

INITIAL_STATES: frozenset[DeliveryState] = frozenset({"pending", "held", "accepted", "suppressed", "expired"})
"""States that a planned delivery may begin with; `accepted` is the inbox, which the notifier keeps itself."""

FINAL_STATES = frozenset(state for state, following in TRANSITIONS.items() if following <= {"read"})

MAX_UNANSWERED = 10
"""Calls without an answer: the provider may have accepted each of them, so a mail may arrive as many times."""
MAX_REFUSALS = 200
"""Temporary refusals: with the backoff below, more than a day. A message that must not come late has an expiry."""
MAX_NOT_COUNTED = 1440
"""Answers that do not count against a delivery: about a day at one call a minute."""
CONFIG_RETRY_SECONDS = 60.0
"""Wrong credentials concern no single message: retry once a minute, for about a day, until they are corrected."""
BACKOFF_BASE_SECONDS = 4.0
BACKOFF_MAX_SECONDS = 600.0

OutcomeKind = Literal[
    "accepted", "transient", "throttled", "permanent", "bounced", "token_dead", "config", "unknown", "withheld"
]
NOT_COUNTED: frozenset[OutcomeKind] = frozenset({"throttled", "config", "withheld"})
"""Outcomes that do not count against a delivery: the provider asks for a pause, or our configuration is wrong."""
UNHEALTHY: frozenset[OutcomeKind] = frozenset({"transient", "throttled", "config", "unknown"})
"""Outcomes that say that the provider cannot be used at the moment; every other one says that it works."""
CERTAIN_BOUNCE = re.compile(r"smtp_5\d\d_5\.(1\.(1|2|3|6|10)|2\.1)")
"""No such mailbox, host or address, moved, null MX, disabled (RFC 3463, RFC 7505)."""
BOUNCES_TO_SUPPRESS = 3
"""Bounces without a certain reason after which an address is suppressed."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """Calls made for a delivery, the present one included.

    `unanswered` and `not_counted` are parts of `total`. Each kind has a limit of its own.
    """

    total: int
    unanswered: int = 0
    not_counted: int = 0

    def after(self, kind: OutcomeKind) -> "Attempts":
        """Return the counts after the present call has ended."""
        return Attempts(self.total, self.unanswered + (kind == "unknown"), self.not_counted + (kind in NOT_COUNTED))

    def used_and_allowed(self, kind: OutcomeKind) -> tuple[int, int]:
        """Return how many attempts ended like this one, and how many may."""
        if kind in NOT_COUNTED:
            return self.not_counted, MAX_NOT_COUNTED
        if kind == "unknown":
            return self.unanswered, MAX_UNANSWERED
        return self.total - self.unanswered - self.not_counted, MAX_REFUSALS


@dataclass(frozen=True, slots=True)
class Verdict:
    """The next state of a delivery; `due_in` is in seconds, for one that is tried again."""

    state: DeliveryState
    reason: str | None = None
    due_in: float = 0.0


def judge(kind: OutcomeKind, reason: str, attempts: Attempts, retry_after: float | None, jitter: float) -> Verdict:
    """Decide what follows from an outcome. `jitter` in [0, 1) spreads the retries.

    Retry-After is a minimum, never a maximum (RFC 9110 section 10.2.3). A call without an answer is repeated, because
    the repeat replaces what the person sees; after the last one the delivery is `unknown`. An outage of a day loses
    nothing; throttling and our own configuration may last longer, but nothing is retried without end.
    """
    if kind == "accepted":
        return Verdict("accepted")
    if kind in ("permanent", "bounced", "token_dead"):
        return Verdict("failed", reason)
    if kind == "withheld":
        return Verdict("pending", reason, retry_after or 0.0)
    used, allowed = attempts.used_and_allowed(kind)
    if used >= allowed:
        return Verdict("unknown" if kind == "unknown" else "failed", reason)
    pause = CONFIG_RETRY_SECONDS * (0.5 + jitter) if kind == "config" else backoff(used, jitter)
    return Verdict("pending", reason, max(retry_after or 0.0, pause))


def should_suppress(reason: str, bounces: int) -> bool:
    """Return whether an address that bounced `bounces` times must not be used again.

    An enhanced status code that names the mailbox is certain. A bare 550 may be policy or a failed greylisting, so it
    has to come again.
    """
    return CERTAIN_BOUNCE.fullmatch(reason) is not None or bounces >= BOUNCES_TO_SUPPRESS


def backoff(attempts: int, jitter: float) -> float:
    """Return the seconds to wait after so many attempts: between half of a doubling ceiling and all of it."""
    ceiling = min(BACKOFF_MAX_SECONDS, BACKOFF_BASE_SECONDS * 2 ** min(max(attempts, 1) - 1, 10))
    return float(ceiling) * (0.5 + jitter / 2)

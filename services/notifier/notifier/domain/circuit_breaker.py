"""A provider's circuit breaker: while it is open, deliveries wait and use no attempts. Pure."""

from dataclasses import dataclass, field
from typing import Literal

from notifier.domain.delivery import UNHEALTHY, OutcomeKind

Admission = Literal["allowed", "probe", "blocked"]

FAILURES_TO_OPEN = 20
"""If a provider fails every second call, a run this long comes once in a million calls."""
CONFIG_FAILURES_TO_OPEN = 5
RECIPIENTS_TO_OPEN = 3
"""What fewer recipients provoke is their own trouble, not the provider's."""
FIRST_PAUSE = 2.0
MAX_PAUSE = 60.0


@dataclass(slots=True)
class CircuitBreaker:
    """Opens after failures for several recipients in a row; a probe after a pause closes it if it succeeds.

    `now` is in seconds of any clock that never goes back. A call that began before the breaker opened changes nothing
    after it.
    """

    failures: int = 0
    config_failures: int = 0
    times_opened: int = 0
    open_until: float = 0.0
    probing: bool = False
    reason: str = ""
    recipients: set[str] = field(default_factory=set)
    """Those of the failures, as far as they are needed."""

    @property
    def is_open(self) -> bool:
        """Return whether calls are blocked."""
        return self.times_opened > 0

    def seconds_until_retry(self, now: float) -> float:
        """Return the seconds until a call makes sense; 0 when calls or a probe may go through."""
        if not self.is_open:
            return 0.0
        if self.probing:
            return FIRST_PAUSE
        return max(0.0, self.open_until - now)

    def admit(self, now: float) -> Admission:
        """Decide whether a call may be made now; `probe` allows this one, and no other until it is answered."""
        if not self.is_open:
            return "allowed"
        if self.probing or now < self.open_until:
            return "blocked"
        self.probing = True
        return "probe"

    def abandon_probe(self) -> None:
        """Allow another probe: this one was not made after all."""
        self.probing = False

    def record(
        self,
        kind: OutcomeKind,
        reason: str,
        retry_after: float | None,
        now: float,
        *,
        admission: Admission,
        recipient: str,
    ) -> bool:
        """Take an answer into account; return True when it opened the breaker."""
        if self.is_open and admission != "probe":
            return False
        if kind not in UNHEALTHY:
            self.failures = self.config_failures = self.times_opened = 0
            self.probing, self.reason = False, ""
            self.recipients.clear()
            return False
        if len(self.recipients) < RECIPIENTS_TO_OPEN:
            self.recipients.add(recipient)
        self.failures += 1
        self.config_failures = self.config_failures + 1 if kind == "config" else 0
        enough = self.failures >= FAILURES_TO_OPEN or self.config_failures >= CONFIG_FAILURES_TO_OPEN
        if admission != "probe" and not (enough and len(self.recipients) >= RECIPIENTS_TO_OPEN):
            return False
        self.times_opened += 1
        self.probing = False
        self.reason = reason
        pause = min(MAX_PAUSE, FIRST_PAUSE * 2 ** (self.times_opened - 1))
        # A probe that is refused with Retry-After says when the provider wants the next call.
        self.open_until = now + max(pause, retry_after or 0.0)
        return self.times_opened == 1

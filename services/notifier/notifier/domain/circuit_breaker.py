"""A provider's breaker: when it is unwell, deliveries wait and burn no attempts. Pure: the time is handed in."""

from dataclasses import dataclass
from typing import Literal

from notifier.domain.delivery import UNWELL, OutcomeKind

Admission = Literal["open", "probe", "closed"]

IN_A_ROW = 20
"""Of a provider with one bad answer in two, a run this long comes once in a million calls."""
CONFIG_IN_A_ROW = 5
FIRST_PAUSE = 2.0
LONGEST_PAUSE = 60.0


@dataclass(slots=True)
class Breaker:
    """Opens after a run of bad answers, lets one call through after a pause, closes when that one is answered well.

    `now` in seconds of any clock that never goes back. A call begun before the breaker opened changes nothing after it.
    """

    failures: int = 0
    config: int = 0
    opened: int = 0
    until: float = 0.0
    probing: bool = False
    reason: str = ""

    @property
    def is_open(self) -> bool:
        """Whether calls are being withheld."""
        return self.opened > 0

    def waits(self, now: float) -> float:
        """Seconds until it makes sense to ask again; 0 when calls go through or a probe may."""
        if not self.opened:
            return 0.0
        if self.probing:
            return FIRST_PAUSE
        return max(0.0, self.until - now)

    def admit(self, now: float) -> Admission:
        """Whether a call may be made now; `probe`: this one, and no other until it is answered."""
        if not self.opened:
            return "open"
        if self.probing or now < self.until:
            return "closed"
        self.probing = True
        return "probe"

    def abandon(self) -> None:
        """The probe was not made after all."""
        self.probing = False

    def record(
        self, kind: OutcomeKind, reason: str, retry_after: float | None, now: float, *, admitted: Admission
    ) -> bool:
        """Take an answer into account; True when this one opened the breaker."""
        if self.opened and admitted != "probe":
            return False
        if kind not in UNWELL:
            self.failures = self.config = self.opened = 0
            self.probing, self.reason = False, ""
            return False
        self.failures += 1
        self.config = self.config + 1 if kind == "config" else 0
        if admitted != "probe" and self.failures < IN_A_ROW and self.config < CONFIG_IN_A_ROW:
            return False
        self.opened += 1
        self.probing = False
        self.reason = reason
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (self.opened - 1))
        # A probe refused with a Retry-After says when the provider wants to be asked again.
        self.until = now + max(pause, retry_after or 0.0)
        return self.opened == 1

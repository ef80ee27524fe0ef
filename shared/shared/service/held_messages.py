"""What a process has received from one of its queues, as its heartbeats say it."""

import datetime as dt
import math
import time
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class HeldMessages:
    """Messages that were received and not yet acknowledged, and how many came and went since the last heartbeat."""

    most: int = 0
    """Messages that the process works on at once."""
    messages: int = 0
    age: float | None = None
    """Seconds from the newest received event's time to its receipt, at the first attempt."""
    newest_at: dt.datetime | None = None
    """The time of that event."""
    received: int = 0
    finished: int = 0
    since: float = field(default_factory=time.monotonic)

    def receive(self) -> None:
        """Count a message that came."""
        self.messages += 1
        self.received += 1

    def newest_timestamp(self) -> float:
        """Return the time of the newest received event in seconds since 1970; not a number before the first."""
        return self.newest_at.timestamp() if self.newest_at is not None else math.nan

    def describe(self, now: float) -> dict[str, Any]:
        """Return what a heartbeat says at a monotonic time, and begin to count again."""
        seconds = max(now - self.since, 1e-3)
        report = {
            "holds": self.messages,
            "at_most": self.most,
            "age_seconds": self.age,
            "newest_at": self.newest_at.isoformat() if self.newest_at else None,
            "received_per_second": round(self.received / seconds, 3),
            "finished_per_second": round(self.finished / seconds, 3),
        }
        self.received, self.finished, self.since = 0, 0, now
        return report

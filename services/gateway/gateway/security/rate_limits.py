"""Rate limits: token buckets in this process, divided among the gateways that are alive.

Every gateway receives every gateway's heartbeats, so each knows their number and grants its share of each limit,
without a call over the network for a request. The promise is in `docs/decisions/` on rate limits.
"""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

MISSED_BEATS = 3
MOST_BUCKETS = 50_000


@dataclass(frozen=True, slots=True)
class Rate:
    """So many a second on average, and `burst` at once. No rate, no limit."""

    per_second: float
    burst: int


@dataclass(frozen=True, slots=True)
class Grant:
    """The state of the tightest limit: its size, the rest, seconds until it is full again, seconds to wait."""

    limit: int
    left: int
    whole_in: float
    wait: float = 0.0

    def headers(self) -> dict[str, str]:
        """RateLimit fields (draft-ietf-httpapi-ratelimit-headers-07)."""
        return {
            "ratelimit-limit": str(self.limit),
            "ratelimit-remaining": str(self.left),
            "ratelimit-reset": str(math.ceil(self.whole_in)),
        }


class RateLimiter:
    """Buckets by name, each of a kind that has a rate."""

    def __init__(self, rates: dict[str, Rate], clock: Callable[[], float] = time.monotonic) -> None:
        self._rates = {kind: rate for kind, rate in rates.items() if rate.per_second > 0}
        self._clock = clock
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}
        self._gateways: dict[str, tuple[float, float]] = {}

    def on_heartbeat(self, facts: dict[str, Any]) -> None:
        """Note a heartbeat of any service."""
        if facts["service"] == "gateway":
            self._gateways[facts["worker"]] = (self._clock(), MISSED_BEATS * float(facts["every_seconds"]))

    @property
    def gateways(self) -> int:
        """The number of gateways that share each limit: those with a recent heartbeat, at least this one."""
        now = self._clock()
        self._gateways = {name: beat for name, beat in self._gateways.items() if now - beat[0] < beat[1]}
        return max(1, len(self._gateways))

    def acquire(self, wanted: Iterable[tuple[str, str]]) -> Grant | None:
        """Take one from each (kind, name), or from none of them when one is empty; None when nothing limits."""
        if not self._rates:
            return None
        now, share = self._clock(), self.gateways
        tightest: Grant | None = None
        taken: list[tuple[tuple[str, str], tuple[float, float]]] = []
        for bucket in wanted:
            rate = self._rates.get(bucket[0])
            if rate is None:
                continue
            size, per_second = max(1, rate.burst // share), rate.per_second / share
            level, since = self._buckets.get(bucket, (float(size), now))
            level = min(float(size), level + (now - since) * per_second)
            if level < 1:
                return Grant(size, 0, (size - level) / per_second, (1 - level) / per_second)
            taken.append((bucket, (level - 1, now)))
            granted = Grant(size, int(level - 1), (size - level + 1) / per_second)
            if tightest is None or granted.left < tightest.left:
                tightest = granted
        self._buckets.update(taken)
        if len(self._buckets) > MOST_BUCKETS:
            self._forget(now)
        return tightest

    def is_empty(self, bucket: tuple[str, str]) -> bool:
        """Whether a bucket is empty now."""
        rate = self._rates.get(bucket[0])
        if rate is None or bucket not in self._buckets:
            return False
        level, since = self._buckets[bucket]
        return level + (self._clock() - since) * rate.per_second / self.gateways < 1

    def _forget(self, now: float) -> None:
        """Drop buckets that are full again; if that is not enough, the oldest half."""
        self._buckets = {
            bucket: (level, since)
            for bucket, (level, since) in self._buckets.items()
            if level + (now - since) * self._rates[bucket[0]].per_second < self._rates[bucket[0]].burst
        }
        if len(self._buckets) > MOST_BUCKETS:
            newest = sorted(self._buckets.items(), key=lambda item: item[1][1])[MOST_BUCKETS // 2 :]
            self._buckets = dict(newest)

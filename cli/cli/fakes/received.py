"""What a stand-in was given, in bounded memory."""

import time
from collections import Counter, deque
from collections.abc import Iterator
from typing import NamedTuple

KEPT = 50_000
KEPT_BYTES = 128 * 1024 * 1024
REMEMBERED = 1_000_000
SHOWN_REPEATS = 100


class Arrival(NamedTuple):
    """One message as it came in: `time` in Unix seconds, `tag` what tells a repeat from a new message."""

    ordinal: int
    time: float
    outcome: str
    recipient: str
    tag: str
    content: bytes


class Ledger:
    """The latest 50,000 messages (at most 128 MiB of content) and counts of all.

    A duplicate is a message that a person would see again: the same recipient and tag, delivered before.
    Repeats are recognised over at least the last million delivered messages.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.arrivals: deque[tuple[int, float, str, str, str, bytes]] = deque()
        self.bytes = 0
        self.total = 0
        self.duplicates = 0
        self.outcomes: Counter[str] = Counter()
        self.repeated: dict[tuple[str, str], int] = {}
        self.recipients = _Memory()
        self.delivered = _Memory()

    def add(self, outcome: str, recipient: str, tag: str, content: bytes, *, delivered: bool) -> int:
        """Note one message, `delivered` when the recipient would see it; its ordinal."""
        self.total += 1
        self.outcomes[outcome] += 1
        # A bare tuple, an Arrival only when somebody looks: this is the way of every message.
        self.arrivals.append((self.total, time.time(), outcome, recipient, tag, content))
        self.bytes += len(content)
        while len(self.arrivals) > KEPT or self.bytes > KEPT_BYTES:
            self.bytes -= len(self.arrivals.popleft()[-1])
        self.recipients.seen_before(hash(recipient))
        if delivered and tag and self.delivered.seen_before(hash((recipient, tag))):
            self._repeat((recipient, tag))
        return self.total

    def latest(self, limit: int, recipient: str | None = None) -> Iterator[Arrival]:
        """The newest first, at most `limit`, of one recipient if given."""
        for arrival in map(Arrival._make, reversed(self.arrivals)):
            if limit <= 0:
                return
            if recipient is None or arrival.recipient == recipient:
                limit -= 1
                yield arrival

    def _repeat(self, key: tuple[str, str]) -> None:
        self.duplicates += 1
        self.repeated[key] = self.repeated.pop(key, 1) + 1
        if len(self.repeated) > SHOWN_REPEATS:
            del self.repeated[next(iter(self.repeated))]


class _Memory:
    """Hashes seen, in two generations, so that forgetting the oldest costs nothing per message."""

    def __init__(self) -> None:
        self.count = 0
        self.young: set[int] = set()
        self.old: set[int] = set()

    def seen_before(self, key: int) -> bool:
        if key in self.young or key in self.old:
            return True
        self.count += 1
        self.young.add(key)
        if len(self.young) >= REMEMBERED:
            self.young, self.old = set(), self.young
        return False

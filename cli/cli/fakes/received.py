"""The messages that a fake received, in bounded memory."""

import time
from collections import Counter, deque
from collections.abc import Iterator
from typing import NamedTuple

KEPT = 50_000
KEPT_BYTES = 128 * 1024 * 1024
REMEMBERED = 1_000_000
SHOWN_REPEATS = 100


class ReceivedMessage(NamedTuple):
    """One message: `time` in Unix seconds; a message with the `tag` of an earlier one repeats it."""

    ordinal: int
    time: float
    outcome: str
    recipient: str
    tag: str
    content: bytes


class Received:
    """The latest 50,000 messages (at most 128 MiB of content) and counts of all.

    A duplicate is a message that a person would see again: the same recipient and tag, delivered before.
    Repeats are found over at least the last million delivered messages.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.kept: deque[ReceivedMessage] = deque()
        self.bytes = 0
        self.total = 0
        self.duplicates = 0
        self.outcomes: Counter[str] = Counter()
        self.repeated: dict[tuple[str, str], int] = {}
        self.recipients = _SeenHashes()
        self.delivered = _SeenHashes()

    def add(self, outcome: str, recipient: str, tag: str, content: bytes, *, delivered: bool) -> int:
        """Keep one message and return its ordinal; `delivered` when the recipient would see it."""
        self.total += 1
        self.outcomes[outcome] += 1
        self.kept.append(ReceivedMessage(self.total, time.time(), outcome, recipient, tag, content))
        self.bytes += len(content)
        while len(self.kept) > KEPT or self.bytes > KEPT_BYTES:
            self.bytes -= len(self.kept.popleft().content)
        self.recipients.seen_before(hash(recipient))
        if delivered and tag and self.delivered.seen_before(hash((recipient, tag))):
            self._repeat((recipient, tag))
        return self.total

    def latest(self, limit: int, recipient: str | None = None) -> Iterator[ReceivedMessage]:
        """The newest first, at most `limit`, of one recipient if given."""
        for message in reversed(self.kept):
            if limit <= 0:
                return
            if recipient is None or message.recipient == recipient:
                limit -= 1
                yield message

    def _repeat(self, key: tuple[str, str]) -> None:
        self.duplicates += 1
        self.repeated[key] = self.repeated.pop(key, 1) + 1
        if len(self.repeated) > SHOWN_REPEATS:
            del self.repeated[next(iter(self.repeated))]


class _SeenHashes:
    """Hashes in two generations: dropping the older one forgets the oldest at no cost per message."""

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

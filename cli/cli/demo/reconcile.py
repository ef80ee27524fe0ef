"""Compare the figures: planned deliveries, their outcomes, and what the fakes received."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cli.demo.client import FINAL, Sent, Task

CHANNELS = ("push", "mail", "inbox")
ACCEPTED = ("accepted", "read")  # a read delivery was accepted by the provider before
MOVING = frozenset({"pending", "sending"})


@dataclass(frozen=True, slots=True)
class Line:
    """The figures of one channel over all notifications. `received` is None for a channel without a fake (inbox)."""

    channel: str
    accepted: int
    failed: int
    suppressed: int
    held: int
    other: int
    received: int | None

    @property
    def planned(self) -> int:
        return self.accepted + self.failed + self.suppressed + self.held + self.other

    @property
    def agrees(self) -> bool:
        return self.received is None or self.received == self.accepted


@dataclass(frozen=True, slots=True)
class Balance:
    """The lines of all channels; `planned` is the gateway's own total, which must equal the sum of the lines."""

    lines: tuple[Line, ...]
    planned: int | None

    @property
    def counted(self) -> int:
        return sum(line.planned for line in self.lines)

    @property
    def reconciles(self) -> bool:
        """Whether something was sent, every delivery is counted, and the fakes received what was accepted."""
        totals = self.planned == self.counted and self.counted > 0
        return totals and all(line.agrees for line in self.lines)


def balance(sent: Sequence[Sent], before: Mapping[str, int], after: Mapping[str, int]) -> Balance:
    """Compute the balance; `before` and `after` are the counters of the fakes, by channel."""
    lines = tuple(
        _line(channel, [each.counts.get(channel, {}) for each in sent], _difference(channel, before, after))
        for channel in CHANNELS
    )
    # A channel missing in CHANNELS would be planned and not counted, and the totals would differ.
    totals = [each.planned for each in sent if each.planned is not None]
    return Balance(lines, sum(totals) if len(totals) == len(sent) else None)


def _line(channel: str, counts: Iterable[Mapping[str, int]], received: int | None) -> Line:
    total: dict[str, int] = {}
    for each in counts:
        for state, number in each.items():
            total[state] = total.get(state, 0) + number
    accepted = sum(total.pop(state, 0) for state in ACCEPTED)
    known = (total.pop("failed", 0), total.pop("suppressed", 0), total.pop("held", 0))
    return Line(channel, accepted, *known, sum(total.values()), received)


def _difference(channel: str, before: Mapping[str, int], after: Mapping[str, int]) -> int | None:
    return after[channel] - before.get(channel, 0) if channel in after else None


def summary(result: Balance) -> str:
    """Return the line for the first screen."""
    count = {
        name: sum(getattr(line, name) for line in result.lines)
        for name in ("accepted", "failed", "suppressed", "held", "other")
    }
    parts = [f"{number:,} {name}" for name, number in count.items() if number or name in ACCEPTED]
    seen = [f"{line.received:,} {line.channel}" for line in result.lines if line.received is not None]
    verdict = "reconciles" if result.reconciles else "DOES NOT RECONCILE"
    outside = f"; the fakes received {', '.join(seen)}" if seen else ""
    planned = "unknown" if result.planned is None else f"{result.planned:,}"
    return f"planned {planned} = {' + '.join(parts)}{outside}: {verdict}"


def settled(sent: Sent) -> bool:
    """Whether nothing more will happen soon: it is complete, or its open deliveries wait for the end of quiet hours."""
    if sent.planned is None:
        return False
    if sent.state in {"completed", *FINAL}:
        return True
    states = {state for counts in sent.counts.values() for state, number in counts.items() if number}
    return "held" in states and not MOVING & states


def finished_share(sent: Sent) -> float:
    """Return the finished share from 0 to 1, for a progress bar."""
    done = sum(
        number
        for counts in sent.counts.values()
        for state, number in counts.items()
        if state not in MOVING and state != "held"
    )
    return min(1.0, done / sent.planned) if sent.planned else 0.0


def outcome(task: Task) -> str:
    """Decide how to treat a task: "wait", "go on", or "stop" because it failed."""
    if task.state not in FINAL:
        return "wait"
    return "go on" if task.state == "succeeded" else "stop"

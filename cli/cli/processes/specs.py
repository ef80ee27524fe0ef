"""A process as data: what to start, after what, when it counts as ready, how it ends."""

import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Probe = Callable[[], Awaitable[None]]
"""Returns when the process is ready; raises NotReady, saying why, when it is not yet."""


class NotReady(Exception):  # a state, not an error
    """The process runs but cannot be used yet."""


@dataclass(frozen=True)
class Spec:
    """One process of a stack.

    `ready` is None for a step: it is done when it has ended with exit code 0. `env` is the whole environment.
    `user` starts it as somebody else (needs root). `limit` bounds the time to ready, `grace` the time from the stop
    signal to SIGKILL, both in seconds. `cleanup` is a command that is run once the process has ended. `folder` is where
    it starts.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    ready: Probe | None = None
    needs: frozenset[str] = frozenset()
    user: str | None = None
    stop_signal: int = signal.SIGTERM
    grace: float = 10.0
    limit: float = 120.0
    cleanup: tuple[str, ...] = ()
    folder: Path = Path("/")


def depth(spec: Spec, specs: Sequence[Spec]) -> int:
    """How many processes it stands on, one upon the other."""
    below = [depth(other, specs) + 1 for other in specs if other.name in spec.needs]
    return max(below, default=0)


def stop_budget(specs: Sequence[Spec]) -> float:
    """Seconds that stopping all of them may take until the last is killed: those of one depth end together."""
    graces: dict[int, float] = {}
    for spec in specs:
        if spec.ready is not None:
            level = depth(spec, specs)
            graces[level] = max(graces.get(level, 0.0), spec.grace)
    return sum(graces.values())

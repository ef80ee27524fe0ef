"""Define a process as data: its command, what it needs, when it is ready, how it ends."""

import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Probe = Callable[[], Awaitable[None]]
"""A check that returns when the process is ready, else raises NotReady with the reason."""


class NotReady(Exception):  # a state, not an error
    """The process runs but cannot be used yet."""


@dataclass(frozen=True)
class Spec:
    """One process of a stack.

    `ready` is None for a step: it is done when it has ended with exit code 0. `env` is the whole environment.
    `user` is the user to start it as (needs root). `limit` bounds the time until it is ready, `grace` the time from the
    stop signal to SIGKILL, both in seconds. `cleanup` is a command to run once the process has ended. `folder` is its
    working directory. It inherits `descriptors`, such as a listening socket.
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
    descriptors: tuple[int, ...] = ()


def depth(spec: Spec, specs: Sequence[Spec]) -> int:
    """Return the length of the longest chain of processes that it needs."""
    below = [depth(other, specs) + 1 for other in specs if other.name in spec.needs]
    return max(below, default=0)

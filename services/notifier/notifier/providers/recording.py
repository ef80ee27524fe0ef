"""A courier that keeps what it is given: for tests, and for a channel that has no provider configured."""

from collections.abc import Callable
from typing import Generic, TypeVar

from notifier.providers import Outcome

M = TypeVar("M")


class Recording(Generic[M]):
    """Accepts everything, or answers what `answer` says."""

    def __init__(self, answer: Callable[[M], Outcome] | None = None) -> None:
        self.sent: list[M] = []
        self._answer = answer

    async def send(self, message: M) -> Outcome:
        """Keep it."""
        self.sent.append(message)
        return self._answer(message) if self._answer else Outcome("accepted", provider_id=str(len(self.sent)))

    async def close(self) -> None:
        """Nothing to give back."""


class Unconfigured(Generic[M]):
    """A channel without a provider: nothing is lost, everything waits for the configuration."""

    def __init__(self, setting: str) -> None:
        self._setting = setting

    async def send(self, _message: M) -> Outcome:
        """Say which setting is missing."""
        return Outcome("config", f"{self._setting} is not set")

    async def close(self) -> None:
        """Nothing to give back."""

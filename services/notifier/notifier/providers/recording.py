"""Couriers without a provider: one that records for tests, and one for a channel that is not configured."""

from collections.abc import Callable
from typing import Generic, TypeVar

from notifier.providers import Outcome

M = TypeVar("M")


class Recording(Generic[M]):
    """Records messages. `answer` may be replaced at any time; None accepts everything."""

    def __init__(self, answer: Callable[[M], Outcome] | None = None) -> None:
        self.sent: list[M] = []
        self.answer = answer

    async def send(self, message: M) -> Outcome:
        """Record a message."""
        self.sent.append(message)
        return self.answer(message) if self.answer else Outcome("accepted", provider_id=str(len(self.sent)))

    async def close(self) -> None:
        """Do nothing: there is no connection."""


class Unconfigured(Generic[M]):
    """A channel without a provider: its deliveries wait for the configuration."""

    def __init__(self, setting: str) -> None:
        self._setting = setting

    async def send(self, _message: M) -> Outcome:
        """Report which setting is missing."""
        return Outcome("config", f"{self._setting} is not set")

    async def close(self) -> None:
        """Do nothing: there is no connection."""

"""A courier that records messages for tests."""

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

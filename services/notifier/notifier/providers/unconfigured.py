"""A courier for a channel without a provider."""

from typing import Generic, TypeVar

from notifier.providers import Outcome

M = TypeVar("M")


class Unconfigured(Generic[M]):
    """A channel without a provider: its deliveries wait for the configuration."""

    def __init__(self, setting: str) -> None:
        self._setting = setting

    async def send(self, _message: M) -> Outcome:
        """Report which setting is missing."""
        return Outcome("config", f"{self._setting} is not set")

    async def close(self) -> None:
        """Do nothing: there is no connection."""

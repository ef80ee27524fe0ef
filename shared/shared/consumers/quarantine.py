"""Runs a suspicious message alone, while all others wait."""

import asyncio
from collections.abc import Callable


class Turnstile:
    """Many at once, or one alone: a message that was in hand during two crashes is handled by itself."""

    def __init__(self) -> None:
        self._changed = asyncio.Condition()
        self._waiting = 0
        self._inside = 0
        self._alone = False

    async def enter(self, *, alone: bool) -> None:
        """Wait for a place; `alone` waits for everybody to leave and keeps others out."""
        if self._alone or alone:
            await self._until(lambda: not self._alone)
        if alone:
            self._alone = True
            try:
                await self._until(lambda: self._inside == 0)
            except asyncio.CancelledError:
                self._alone = False
                await self._tell()
                raise
        self._inside += 1

    async def leave(self, *, alone: bool) -> None:
        """Give the place back."""
        self._inside -= 1
        if alone:
            self._alone = False
        await self._tell()

    async def _tell(self) -> None:
        if self._waiting:
            async with self._changed:
                self._changed.notify_all()

    async def _until(self, so: Callable[[], bool]) -> None:
        self._waiting += 1
        try:
            async with self._changed:
                await self._changed.wait_for(so)
        finally:
            self._waiting -= 1

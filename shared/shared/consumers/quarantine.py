"""Runs a suspicious message alone while all others wait, so that only this message is lost if the process crashes."""

import asyncio
from collections.abc import Callable


class ExclusiveSection:
    """Lets many messages in, or a single exclusive one: a message that was being processed during two crashes."""

    def __init__(self) -> None:
        self._changed = asyncio.Condition()
        self._waiting = 0
        self._inside = 0
        self._alone = False

    async def enter(self, *, alone: bool) -> None:
        """Enter; with `alone`, wait until all others have left and keep new ones out."""
        if self._alone or alone:
            await self._until(lambda: not self._alone)
        if alone:
            self._alone = True
            try:
                await self._until(lambda: self._inside == 0)
            except asyncio.CancelledError:
                self._alone = False
                await self._notify()
                raise
        self._inside += 1

    async def leave(self, *, alone: bool) -> None:
        """Leave, and wake the waiting ones."""
        self._inside -= 1
        if alone:
            self._alone = False
        await self._notify()

    async def _notify(self) -> None:
        if self._waiting:
            async with self._changed:
                self._changed.notify_all()

    async def _until(self, condition: Callable[[], bool]) -> None:
        self._waiting += 1
        try:
            async with self._changed:
                await self._changed.wait_for(condition)
        finally:
            self._waiting -= 1

"""Gathers what several tasks hand in at about the same time, so that it shares one transaction."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from shared.persistence.database_errors import is_contention, is_unavailable

T = TypeVar("T")


class Gathering(Generic[T]):
    """Handles items of several tasks: those that come while others are being handled are handled together.

    An item that comes alone waits for nothing.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[T, asyncio.Future[None]]] = []
        self._running: asyncio.Task[None] | None = None

    async def handle(self, item: T, run: Callable[[list[T]], Awaitable[None]]) -> None:
        """Return when the item has been handled; raises the error of its handling.

        Every caller passes the same `run`: it handles all items that it is given, or raises and has handled none.
        """
        outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, outcome))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run(run))
        await outcome

    async def _run(self, run: Callable[[list[T]], Awaitable[None]]) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            try:
                await self._handle(waiting, run)
            except BaseException:
                for _, outcome in waiting + self._waiting:
                    outcome.cancel()
                raise

    async def _handle(
        self, waiting: list[tuple[T, asyncio.Future[None]]], run: Callable[[list[T]], Awaitable[None]]
    ) -> None:
        """Handle items together. An error that belongs to one of them is found by handling each of them alone."""
        problem = None
        try:
            await run([item for item, _ in waiting])
        except Exception as caught:  # noqa: BLE001  # handed to the callers
            problem = caught
        if problem is not None and len(waiting) > 1 and not (is_unavailable(problem) or is_contention(problem)):
            for each in waiting:
                await self._handle([each], run)
            return
        for _, outcome in waiting:
            if outcome.done():  # its caller was cancelled
                continue
            if problem is None:
                outcome.set_result(None)
            else:
                outcome.set_exception(problem)

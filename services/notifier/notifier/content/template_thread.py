"""Checks and renders templates beside the event loop, in one thread: a costly one delays only other templates.

The interpreter lets the loop run every few milliseconds meanwhile. Each piece of work is bounded (`template_check`), so
a process that could be killed is not needed.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class TemplateThread:
    """One thread for the templates of all schools."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "templates")

    async def run(self, work: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        """Return what `work` returns, or raise what it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, lambda: work(*args, **named))

    async def close(self) -> None:
        """End the thread after the work that it has begun."""
        self._executor.shutdown(wait=False, cancel_futures=True)

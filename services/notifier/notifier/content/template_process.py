"""Checks and renders templates in a child process: a costly one delays other templates, and never the event loop.

A thread would not do: at each step of the loop it may keep the interpreter's lock for milliseconds. Each piece of work
is bounded (`template_check`); the child is nice, has a limit of memory and ends with its parent.
"""

import asyncio
import ctypes
import os
import resource
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache, partial
from multiprocessing import get_context
from typing import ParamSpec, TypeVar

from shared.http.preconditions import DecisionRefused

PATIENCE_SECONDS = 9.0
"""The gateway waits 10 s for an answer. What it no longer waits for must not delay what comes after."""
PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that this process gets when its parent ends."""
NICENESS = 5
MEMORY_BYTES = 2_000_000_000
"""Address space; a child begins with 105 MB of it, of which 79 MB are resident (measured on Python 3.11)."""

P = ParamSpec("P")
T = TypeVar("T")


async def run_in_child(work: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
    """Return what `work` returns, or raise what it raises; a function of a module, whose values can be pickled.

    Work that has not begun within PATIENCE_SECONDS never begins; raises DecisionRefused (503) after that time. A child
    that was killed is replaced once; raises BrokenProcessPool when the next one dies, too.
    """
    call = partial(work, *args, **named)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await _run(call)
    except TimeoutError:
        raise DecisionRefused(503, "unavailable", "Too many templates are being checked. Try again later.") from None


async def _run(call: Callable[[], T]) -> T:
    loop = asyncio.get_running_loop()
    try:
        return await loop.run_in_executor(_child(), call)
    except BrokenProcessPool:
        _child.cache_clear()
        return await loop.run_in_executor(_child(), call)


@cache
def _child() -> ProcessPoolExecutor:
    """Return the child of this process; it starts with its first work."""
    return ProcessPoolExecutor(1, get_context("spawn"), _limit)


def _limit() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when both end
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))

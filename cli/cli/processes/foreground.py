"""Run a supervisor in the foreground until its work is done or a signal arrives, then stop everything."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

from cli.processes.launcher import StartFailed
from cli.processes.supervisor import Supervisor
from cli.terminal import complain, say
from shared.errors import Refused

STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def until_stopped(supervisor: Supervisor, work: Coroutine[Any, Any, int], interrupted: int = 0) -> int:
    """Return the result of `work`, `interrupted` after a signal, or 1 when a process could not be started.

    All processes of `supervisor` are stopped before this returns; a second signal kills them.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if stopping.is_set():
            supervisor.kill_now.set()
        else:
            say("Stopping. A second signal kills everything immediately.")
            stopping.set()

    for each in STOP:
        loop.add_signal_handler(each, stop)
    working = asyncio.create_task(work)
    waiting = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
        return await working if working.done() else interrupted
    except (StartFailed, Refused) as problem:
        complain(str(problem))
        return 1
    finally:
        for task in (working, waiting):
            task.cancel()
        await asyncio.gather(working, waiting, return_exceptions=True)
        await supervisor.stop()

"""A supervisor in the foreground: it works until it is done or told to stop, then nothing of it is left."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

from cli.processes.supervisor import StartFailed, Supervisor
from cli.terminal import complain, say
from shared.errors import Refused

STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def until_stopped(supervisor: Supervisor, work: Coroutine[Any, Any, int], interrupted: int = 0) -> int:
    """The exit code: what `work` returns, `interrupted` after a signal, 1 when something could not be started.

    Everything that `supervisor` runs is stopped before this returns; a second signal kills.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if stopping.is_set():
            supervisor.hurry.set()
        else:
            say("Stopping; once more to kill.")
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

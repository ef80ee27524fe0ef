"""run, up, down, reset: one supervisor, everything ready or nothing left."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from cli import stack, welcome
from cli.backing import choice
from cli.layout import Layout
from cli.local.lock import Holder, held, holder
from cli.local.ports import PREFERRED, pick_stable
from cli.local.processes import Ledger, end
from cli.local.supervisor import StartFailed, Supervisor
from cli.screen import complain, say
from shared.errors import Refused

STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
UP_LIMIT = 900.0
DOWN_LIMIT = 60.0


def run(layout: Layout, command: str = "make run") -> int:
    """The whole system in the foreground, until a signal; a second signal kills."""
    with held(layout.lock, command):
        return asyncio.run(_run(layout))


async def _run(layout: Layout) -> int:
    await reap(layout)
    supervisor = Supervisor(Ledger(layout.processes), layout.log, say)
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
    try:
        return await _until_stopped(layout, supervisor, stopping)
    finally:
        layout.stack.unlink(missing_ok=True)
        await supervisor.stop()


async def _until_stopped(layout: Layout, supervisor: Supervisor, stopping: asyncio.Event) -> int:
    starting = asyncio.create_task(_start(layout, supervisor))
    waiting = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting
            await stopping.wait()
    except (StartFailed, Refused) as problem:
        complain(str(problem))
        return 1
    finally:
        for task in (starting, waiting):
            task.cancel()
        await asyncio.gather(starting, waiting, return_exceptions=True)
    return 0


async def _start(layout: Layout, supervisor: Supervisor) -> None:
    began = time.monotonic()
    given = choice.given()
    if install := await choice.installation(choice.missing(given)):
        say("Installing RabbitMQ and PostgreSQL from this machine's packages")
        await supervisor.start([install])
    ports = pick_stable(layout.ports, PREFERRED)
    backing = await asyncio.to_thread(choice.choose, layout, ports, given)
    if backing.databases == layout.elsewhere:
        say(f"The database's data are in {layout.elsewhere}: PostgreSQL's user cannot enter {layout.folder}")
    planned = stack.plan(layout, ports, backing)
    await supervisor.start(planned.specs)
    say(f"{len(planned.contract['services'])} services ready after {time.monotonic() - began:.1f} s")
    await asyncio.to_thread(welcome.first_run, layout, planned.contract)
    say(await asyncio.to_thread(welcome.screen, planned.contract))
    # Written last: whoever finds it finds everything ready.
    stack.write_contract(layout, planned.contract)


async def reap(layout: Layout) -> None:
    """End what a killed supervisor left behind."""
    ledger = Ledger(layout.processes)
    left = ledger.all()
    if left:
        say(f"Ending {len(left)} processes that an earlier run left behind")
        await end(left, asyncio.Event())
        ledger.remove(left)
    layout.stack.unlink(missing_ok=True)


def up(layout: Layout) -> int:
    """The same in the background; returns when everything is ready."""
    if layout.stack.exists() and holder(layout.lock):
        say(f"Already up: {layout.stack}")
        return 0
    layout.log.mkdir(parents=True, exist_ok=True)
    output = layout.log / "supervisor.log"
    with output.open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "cli", "run", "--as", "make up"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
            env={**os.environ, "SCHOOLCONNECT_STATE": str(layout.folder)},
        )
    limit = time.monotonic() + UP_LIMIT
    while child.poll() is None and time.monotonic() < limit:
        if layout.stack.exists():
            say(output.read_text())
            return 0
        time.sleep(0.1)
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
    complain(_tail(output))
    return child.returncode or 1


def _tail(path: Path) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-40:])


def down(layout: Layout) -> int:
    """Stop the system, wherever it was started from."""
    who = holder(layout.lock)
    if who is not None and who.pid:
        _stop(layout, who)
    asyncio.run(_down(layout))
    return 0


def _stop(layout: Layout, who: Holder) -> None:
    say(f"Stopping {who}")
    with contextlib.suppress(ProcessLookupError):
        os.kill(who.pid, signal.SIGTERM)
    limit = time.monotonic() + DOWN_LIMIT
    while holder(layout.lock) is not None:
        if time.monotonic() > limit:
            raise Refused(f"{who} did not stop within {DOWN_LIMIT:.0f} s; see {layout.log}")
        time.sleep(0.1)


async def _down(layout: Layout) -> None:
    with held(layout.lock, "make down"):
        await reap(layout)


def reset(layout: Layout) -> int:
    """Stop and remove all data; logs and secrets go too."""
    down(layout)
    for folder in (layout.folder, layout.elsewhere):
        if folder.exists():
            shutil.rmtree(folder)
    say(f"Removed {layout.folder}")
    return 0

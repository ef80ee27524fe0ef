"""Run, start, stop and reset the stack. Either everything is ready, or no process is left."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from typing import IO

from cli.backing import select
from cli.layout import Layout, private_folder
from cli.processes.foreground import STOP, until_stopped
from cli.processes.lock import AlreadyRunning, held, holder
from cli.processes.ports import PREFERRED
from cli.processes.process_table import ProcessTable
from cli.processes.supervisor import Supervisor
from cli.stack import definition, first_screen
from cli.stack.port_choice import start_on_free_ports
from cli.stack.removal import reap, remove
from cli.terminal import complain, say
from shared.errors import Refused

UP_LIMIT = 2400.0
DOWN_LIMIT = 60.0
POLL = 0.1
INTERRUPTED = 130
LAST_LINES = 40


def run(layout: Layout, command: str = "make run") -> int:
    """Run the whole system in the foreground until a signal; a second signal kills it."""
    with held(layout.lock, command):
        supervisor = Supervisor(ProcessTable(layout.processes), layout.log, say)
        return asyncio.run(until_stopped(supervisor, _work(layout, supervisor)))


async def _work(layout: Layout, supervisor: Supervisor) -> int:
    await reap(layout, supervisor.kill_now)
    try:
        await _start(layout, supervisor)
        await asyncio.Event().wait()
        return 0
    finally:
        layout.stack.unlink(missing_ok=True)


async def _start(layout: Layout, supervisor: Supervisor) -> None:
    began = time.monotonic()
    given = select.given()
    if install := await select.installation(select.missing(given)):
        say("Installing RabbitMQ and PostgreSQL from this machine's packages")
        await supervisor.start([install])

    async def plan(ports: dict[str, int]) -> definition.Stack:
        backing = await asyncio.to_thread(select.choose, layout, ports, given)
        if backing.databases == layout.elsewhere:
            say(f"The database is in {layout.elsewhere}, because PostgreSQL's user cannot enter {layout.folder}")
        return definition.plan(layout, ports, backing)

    planned = await start_on_free_ports(layout, supervisor, PREFERRED, plan)
    say(f"{len(planned.contract['services'])} services are ready after {time.monotonic() - began:.1f} s")
    await asyncio.to_thread(first_screen.first_run, layout, planned.contract)
    say(await asyncio.to_thread(first_screen.screen, layout, planned.contract))
    # Written last: when the file exists, everything is ready.
    definition.write_contract(layout, planned.contract)


def up(layout: Layout) -> int:
    """Run the system in the background and return when everything is ready; a signal meanwhile stops it again."""
    if who := holder(layout.lock):
        if layout.stack.exists():
            say(f"The stack is already running; see {layout.stack}")
            return 0
        raise AlreadyRunning(who)
    layout.stack.unlink(missing_ok=True)  # a killed supervisor leaves it
    private_folder(layout.folder)
    private_folder(layout.log)
    output = layout.log / "supervisor.log"
    # A new file each time: another start at the same moment writes to its own.
    output.unlink(missing_ok=True)
    with os.fdopen(os.open(output, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "rb") as log:
        code = _background(layout, log)
        # The child writes through the same handle, which is at its end.
        log.seek(0)
        if code == 0:
            say(log.read().decode(errors="replace"))
        else:
            complain(_tail(log))
    return code


def _background(layout: Layout, log: IO[bytes]) -> int:
    """Start `run` in the background; return 0 once it is ready, else its exit code."""
    signals: list[int] = []
    before = {each: signal.signal(each, lambda number, _: signals.append(number)) for each in STOP}
    try:
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
        while child.poll() is None and not signals:
            if layout.stack.exists():
                return 0
            if time.monotonic() > limit:
                signals.append(signal.SIGALRM)
            time.sleep(POLL)
        if signals:
            _end(child, signals)
            return INTERRUPTED
        return child.returncode or 1
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _end(child: subprocess.Popen[bytes], signals: list[int]) -> None:
    """Send the child a SIGTERM for each signal that arrived or arrives; the second one kills what it started."""
    sent = 0
    while child.poll() is None:
        if sent < len(signals):
            child.send_signal(signal.SIGTERM)
            sent += 1
        time.sleep(POLL)


def _tail(log: IO[bytes]) -> str:
    return "\n".join(log.read().decode(errors="replace").splitlines()[-LAST_LINES:])


def down(layout: Layout) -> int:
    """Stop the system, whichever command started it."""
    _stop_holder(layout)
    with held(layout.lock, "make down"):
        asyncio.run(reap(layout))
    return 0


def _stop_holder(layout: Layout) -> None:
    who = holder(layout.lock)
    if who is None:
        return
    say(f"Stopping {who}")
    with contextlib.suppress(ProcessLookupError):
        os.kill(who.pid, signal.SIGTERM)
    limit = time.monotonic() + DOWN_LIMIT
    while who.running:
        if time.monotonic() > limit:
            raise Refused(f"{who} did not stop within {DOWN_LIMIT:.0f} s; see {layout.log}")
        time.sleep(POLL)


def reset(layout: Layout) -> int:
    """Stop the system and remove its data, logs and secrets. Servers given by URL keep their data."""
    _stop_holder(layout)
    with held(layout.lock, "make reset"):
        asyncio.run(_reset(layout))
    say(f"Removed {layout.folder}")
    if "DATABASE_URL" in select.given():
        say("The database at DATABASE_URL still has its data. Drop it: the keys that its data need are removed.")
    return 0


async def _reset(layout: Layout) -> None:
    await reap(layout)
    await remove(layout)

"""`make test`, `bench`, `chaos`: a program on its own servers, ports and folder, all of them removed afterwards."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

from cli.backing import debian_packages, select
from cli.backing.select import Backing
from cli.layout import ROOT, Layout, layout
from cli.processes import faketime
from cli.processes.foreground import until_stopped
from cli.processes.ports import pick
from cli.processes.process_table import Ledger, started
from cli.processes.specs import Spec
from cli.processes.supervisor import Supervisor
from cli.stack.removal import remove, remove_stale_tests
from cli.terminal import say
from shared.errors import Refused

OF_THE_CALLER = ("AMQP_URL", "DATABASE_URL", "RABBITMQ_MANAGEMENT_URL")
"""Never handed on: tests make and drop databases and virtual hosts, which is nobody's server to bear but ours."""

SIDE_BY_SIDE = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")
"""The whole suite, by file: one after the other leaves a core idle. What is picked out runs by itself."""

Work = Callable[[Layout, Supervisor], Coroutine[Any, Any, int]]


def run(arguments: Sequence[str]) -> int:
    """Start backing services, run pytest, remove everything; pytest's exit code, 130 after a signal."""

    async def test(own: Layout, supervisor: Supervisor) -> int:
        return await _test(own, supervisor, arguments)

    return asyncio.run(alone(layout(), test))


async def alone(clone: Layout, work: Work) -> int:
    """Do `work` in a folder that is removed afterwards, with all processes that are recorded in it."""
    await remove_stale_tests(clone)
    own = _folder(clone)
    try:
        supervisor = Supervisor(Ledger(own.processes), own.log, say)
        return await until_stopped(supervisor, work(own, supervisor), interrupted=130)
    finally:
        await remove(own)


def _folder(clone: Layout) -> Layout:
    """A folder that the next run finds, and knows to be stale, when this one is killed."""
    folder = clone.tests / f"{os.getpid()}-{started(os.getpid())}"
    folder.mkdir(parents=True)
    # PostgreSQL's own user has to pass; what lies in them is closed one by one.
    for part in (clone.folder, clone.tests, folder):
        part.chmod(0o711)
    return Layout(folder, clone.outside)


async def install(supervisor: Supervisor) -> None:
    """Put RabbitMQ and PostgreSQL on the machine if they are missing."""
    if step := await select.installation(select.missing({})):
        say("Installing RabbitMQ and PostgreSQL from this machine's packages")
        await supervisor.start([step])


async def _install_faketime(supervisor: Supervisor) -> None:
    """What moves a process's clock. Where it cannot be installed the tests that need it fail, saying so."""
    if faketime.library() is not None:
        return
    try:
        step = await debian_packages.spec([faketime.PACKAGE])
    except Refused as refusal:
        say(f"{refusal}\nThe tests of a wall clock that jumps will fail without it.")
        return
    say(f"Installing {faketime.PACKAGE} from this machine's packages")
    await supervisor.start([step])


async def _test(own: Layout, supervisor: Supervisor, arguments: Sequence[str]) -> int:
    await install(supervisor)
    await _install_faketime(supervisor)
    backing = await asyncio.to_thread(select.choose, own, pick(select.PORTS), {})
    # Killed in the end: nobody reads their data any more, and an orderly stop takes seconds.
    await supervisor.start([replace(spec, stop_signal=signal.SIGKILL) for spec in backing.specs])
    return await supervisor.foreground(_pytest(backing, arguments))


def _pytest(backing: Backing, arguments: Sequence[str]) -> Spec:
    kept = {name: value for name, value in os.environ.items() if name not in OF_THE_CALLER}
    servers = {
        "TEST_DATABASE_URL": backing.database_url,
        "TEST_AMQP_URL": backing.amqp_url,
        "TEST_RABBITMQ_MANAGEMENT_URL": backing.management_url,
    }
    # In a session of its own, where a Ctrl-C does not reach it a second time.
    return Spec(
        name="pytest",
        argv=(sys.executable, "-m", "pytest", *(arguments or SIDE_BY_SIDE)),
        env=kept | servers,
        stop_signal=signal.SIGINT,
        grace=8.0,
        folder=ROOT,
    )

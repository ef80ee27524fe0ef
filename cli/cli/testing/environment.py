"""Run tests and measurements on their own servers, ports and folder, all removed afterwards."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cli.backing import debian_packages, postgres, select
from cli.backing.select import Backing
from cli.layout import ROOT, Layout, layout
from cli.processes import faketime
from cli.processes.foreground import until_stopped
from cli.processes.launcher import StartFailed
from cli.processes.ports import pick
from cli.processes.process_table import ProcessTable, start_time
from cli.processes.specs import Spec
from cli.processes.supervisor import Supervisor
from cli.stack.removal import remove, remove_stale_tests
from cli.terminal import say
from shared.errors import Refused

OF_THE_CALLER = ("AMQP_URL", "DATABASE_URL", "RABBITMQ_MANAGEMENT_URL", "PYTHONDONTWRITEBYTECODE")
"""Variables that tests never get: they create and drop databases and virtual hosts, on servers of their own only.

The last one would make each of their many processes compile the code again.
"""

WATCHERS = ("prometheus", "prometheus-alertmanager")
"""Debian's packages of Prometheus with promtool, and of Alertmanager; their programs have the same names."""

SCANNER = ("clamd", "clamav-daemon")
"""The program of a virus scanner, and Debian's package of it. Tests bring a signature of their own."""

BROWSER = "chromium"
"""Debian's package of the browser in which the console's pages are tested; its program has the same name."""

SIDE_BY_SIDE = ("-n", "3", "--dist", "loadfile", "--no-loadscope-reorder", "--ignore", "tests/console")
"""Run the whole suite in three processes: tests wait for servers, so that two leave two cores idle at times.

Selected tests run one by one. Every page in a browser takes minutes: `make test ONLY=console`. The suite has the
shortest way through them.
"""

Work = Callable[[Layout, Supervisor], Coroutine[Any, Any, int]]


def run(arguments: Sequence[str]) -> int:
    """Start backing services, run pytest, remove everything; return pytest's exit code, 130 after a signal."""

    async def test(own: Layout, supervisor: Supervisor) -> int:
        return await _test(own, supervisor, arguments)

    return asyncio.run(run_isolated(layout(), test))


async def run_isolated(clone: Layout, work: Work) -> int:
    """Run `work` in a folder of its own; end its recorded processes and remove the folder afterwards."""
    await remove_stale_tests(clone)
    own = _folder(clone)
    try:
        supervisor = Supervisor(ProcessTable(own.processes), own.log, say)
        return await until_stopped(supervisor, work(own, supervisor), interrupted=130)
    finally:
        await remove(own)


def _folder(clone: Layout) -> Layout:
    """Create the folder, named so that the next run knows it as stale when this one was killed."""
    folder = clone.tests / f"{os.getpid()}-{start_time(os.getpid())}"
    folder.mkdir(parents=True)
    # PostgreSQL's own user must pass through; each entry below has its own permissions.
    for part in (clone.folder, clone.tests, folder):
        part.chmod(0o711)
    return Layout(folder, clone.outside)


async def install(supervisor: Supervisor) -> None:
    """Install RabbitMQ and PostgreSQL if they are missing."""
    if step := await select.installation(select.missing({})):
        say("Installing RabbitMQ and PostgreSQL from this machine's packages")
        await supervisor.start([step])


async def install_tools(supervisor: Supervisor) -> None:
    """Install what only tests use (libfaketime, Prometheus, Alertmanager, ClamAV); without it their tests fail."""
    absent = [faketime.PACKAGE] if faketime.library() is None else []
    absent += [name for name in WATCHERS if not shutil.which(name)]
    absent += [] if shutil.which(SCANNER[0]) else [SCANNER[1]]
    if not absent:
        return
    try:
        step = await debian_packages.spec(absent)
    except Refused as refusal:
        say(f"{refusal}\nWhat needs {' and '.join(absent)} will fail.")
        return
    say(f"Installing {' and '.join(absent)} from this machine's packages")
    await supervisor.start([step])


async def install_browser(supervisor: Supervisor) -> None:
    """Install the browser. Where that is not possible its tests are skipped: the rest of the suite needs none."""
    if shutil.which(BROWSER):
        return
    say(f"Installing {BROWSER} from this machine's packages")
    try:
        await supervisor.start([await debian_packages.spec([BROWSER])])
    except (Refused, StartFailed) as problem:
        say(f"{problem}\nTests in a browser are skipped.")


async def _test(own: Layout, supervisor: Supervisor, arguments: Sequence[str]) -> int:
    await install(supervisor)
    await install_tools(supervisor)
    await install_browser(supervisor)
    backing = await asyncio.to_thread(select.choose, own, pick(select.PORTS), {})
    await supervisor.start(list(map(_short_lived, backing.specs)))
    return await supervisor.foreground(_pytest(backing, arguments))


def _short_lived(spec: Spec) -> Spec:
    """Kill it at the end, as its data is removed and an orderly stop takes seconds; let PostgreSQL wait for no disk."""
    own_postgres = spec.name == "postgres" and Path(spec.argv[0]).name == "postgres"
    return replace(spec, stop_signal=signal.SIGKILL, argv=spec.argv + (postgres.UNSYNCED if own_postgres else ()))


def _pytest(backing: Backing, arguments: Sequence[str]) -> Spec:
    kept = {name: value for name, value in os.environ.items() if name not in OF_THE_CALLER}
    servers = {
        "TEST_DATABASE_URL": backing.database_url,
        "TEST_AMQP_URL": backing.amqp_url,
        "TEST_RABBITMQ_MANAGEMENT_URL": backing.management_url,
        "TEST_RABBITMQ_METRICS_URL": backing.broker_metrics_url,
        "TEST_SERVER_IS_REMOVED": "1",
    }
    # In its own session, where a Ctrl-C does not reach it a second time.
    return Spec(
        name="pytest",
        argv=(sys.executable, "-m", "pytest", *(arguments or SIDE_BY_SIDE)),
        env=kept | servers,
        stop_signal=signal.SIGINT,
        grace=8.0,
        folder=ROOT,
    )

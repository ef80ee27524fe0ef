"""`make test`: pytest on its own RabbitMQ and PostgreSQL, on ports and in a folder of their own, removed afterwards."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cli.backing import choice
from cli.backing.choice import Backing
from cli.layout import ROOT, Layout
from cli.local.ports import pick
from cli.local.processes import Ledger
from cli.local.supervisor import StartFailed, Supervisor
from cli.screen import complain, say


def run(arguments: Sequence[str]) -> int:
    """Start backing services, run pytest, remove everything; pytest's exit code."""
    folder = Path(tempfile.mkdtemp(prefix="schoolconnect-test-"))
    folder.chmod(0o711)
    try:
        return asyncio.run(_run(Layout(folder, outside=folder / "outside"), arguments))
    finally:
        shutil.rmtree(folder)


async def _run(layout: Layout, arguments: Sequence[str]) -> int:
    supervisor = Supervisor(Ledger(layout.processes), layout.log, say)
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(each, task.cancel)
    try:
        given = choice.given()
        if install := await choice.installation(choice.missing(given)):
            await supervisor.start([install])
        backing = await asyncio.to_thread(choice.choose, layout, pick(choice.PORTS), given)
        await supervisor.start(backing.specs)
        return await _pytest(backing, arguments)
    except StartFailed as problem:
        complain(str(problem))
        return 1
    except asyncio.CancelledError:
        return 130
    finally:
        await supervisor.stop()


async def _pytest(backing: Backing, arguments: Sequence[str]) -> int:
    environment = os.environ | {
        "TEST_DATABASE_URL": backing.database_url,
        "TEST_AMQP_URL": backing.amqp_url,
        "TEST_RABBITMQ_MANAGEMENT_URL": backing.management_url,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pytest", *arguments, env=environment, cwd=ROOT, stdin=subprocess.DEVNULL
    )
    try:
        return await process.wait()
    except asyncio.CancelledError:
        process.send_signal(signal.SIGINT)
        await process.wait()
        raise

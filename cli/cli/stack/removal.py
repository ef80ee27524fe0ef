"""End the processes that a killed supervisor left, and remove a stack's data."""

import asyncio
import shutil
from contextlib import suppress
from pathlib import Path

from cli.backing import container_engine
from cli.layout import Layout
from cli.processes.process_table import ProcessTable, end, start_time
from cli.terminal import say


async def reap(layout: Layout, kill_now: asyncio.Event | None = None) -> None:
    """End the processes that an earlier run left behind."""
    table = ProcessTable(layout.processes)
    left = table.all()
    if left:
        say(f"Stopping {len(left)} processes that an earlier run left behind")
        await end(left, kill_now or asyncio.Event())
        table.remove(left)
    layout.stack.unlink(missing_ok=True)


async def remove(layout: Layout) -> None:
    """Remove all data of a stopped stack; a running test run keeps its folder."""
    if layout.containers.exists():
        await container_engine.remove(layout.folder)
    await remove_stale_tests(layout)
    _remove_folder(layout.elsewhere)
    with suppress(OSError):
        layout.outside.rmdir()
    for path in layout.folder.iterdir():
        if path == layout.tests and any(path.iterdir()):
            continue
        if path.is_dir():
            _remove_folder(path)
        else:
            path.unlink(missing_ok=True)
    with suppress(OSError):
        layout.folder.rmdir()


async def remove_stale_tests(layout: Layout) -> None:
    """End and remove test runs whose command was killed; their folders are named <process id>-<start time>."""
    if not layout.tests.exists():
        return
    for folder in layout.tests.iterdir():
        number, _, start = folder.name.partition("-")
        if start_time(int(number)) != int(start):
            stale = Layout(folder, layout.outside)
            await reap(stale)
            await remove(stale)


def _remove_folder(folder: Path) -> None:
    # Two test runs may remove the same stale folder.
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)

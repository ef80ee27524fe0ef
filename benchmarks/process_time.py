"""The processor time and the memory of a process."""

import asyncio

import psutil


def processor_seconds(pid: int) -> float:
    """Return the processor seconds of a process, in all its threads."""
    spent = psutil.Process(pid).cpu_times()
    return float(spent.user + spent.system)


async def processor_share(pid: int, seconds: int) -> float:
    """Return the share of a core that a process uses for so long."""
    before = processor_seconds(pid)
    await asyncio.sleep(seconds)
    return (processor_seconds(pid) - before) / seconds


def resident_bytes(pid: int) -> int:
    """Return the memory that a process has in the machine's memory."""
    return int(psutil.Process(pid).memory_info().rss)

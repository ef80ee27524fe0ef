"""Limits that the child sets for itself, in steps, below those of its parent: little for decoding, more for OCR.

The kernel enforces them, inside native code too: too much CPU time ends the child with SIGXCPU, and an allocation
beyond the limit fails.
"""

import resource

from files.reading.limits import ReadLimits

ENDING = 1
"""Seconds between the kernel's limit and the promised one: it looks at each tick, and a child that ends costs more."""


def start(limits: ReadLimits) -> None:
    """Limit decoding: address space, and CPU time from now on."""
    _address_space(limits.memory_bytes)
    _cpu_time(_used() + limits.hostile_seconds * 3 // 5)


def before_ocr_page(limits: ReadLimits, number: int) -> None:
    """Allow OCR of page `number`, counted from 1 over those that need it.

    ONNX Runtime reserves much more address space than memory, so data is limited instead.
    """
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (_at_most(limits.ocr_memory_bytes - SHARED_BYTES, most), most))
    _cpu_time(until(limits, _used(), number))


def until(limits: ReadLimits, used: int, number: int) -> int:
    """Return the CPU seconds, counted from the child's start, at which OCR of page `number` ends.

    A file with one such page costs at most `hostile_seconds`, with what was decoded before; each further page adds at
    most its own share.
    """
    most = limits.hostile_seconds + (number - 1) * limits.ocr_page_seconds - ENDING
    return min(used + limits.ocr_page_seconds, most)


SHARED_BYTES = 200_000_000
"""Code and models, mapped from files: part of the resident memory, but not of the data."""


def _address_space(wanted: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_at_most(wanted, most), most))


def _used() -> int:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return int(used.ru_utime + used.ru_stime)


def _cpu_time(seconds: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (_at_most(seconds, most), most))


def _at_most(wanted: int, most: int) -> int:
    return wanted if most == resource.RLIM_INFINITY else min(wanted, most)

"""Limits that the child sets for itself, in steps, below those of its parent: little for decoding, more for OCR.

The kernel enforces them, inside native code too: too much CPU time ends the child with SIGXCPU, and an allocation
beyond the limit fails.
"""

import resource

from files.reading.limits import ReadLimits


def start(limits: ReadLimits) -> None:
    """Limit decoding: address space, and CPU time from now on."""
    _address_space(limits.memory_bytes)
    _more_cpu_time(limits.hostile_seconds * 3 // 5)


def before_ocr_page(limits: ReadLimits) -> None:
    """Allow OCR of one page. ONNX Runtime reserves much more address space than memory, so data is limited instead."""
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (_at_most(limits.ocr_memory_bytes - SHARED_BYTES, most), most))
    _more_cpu_time(limits.ocr_page_seconds)


SHARED_BYTES = 200_000_000
"""Code and models, mapped from files: part of the resident memory, but not of the data."""


def _address_space(wanted: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_at_most(wanted, most), most))


def _more_cpu_time(seconds: int) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (_at_most(int(used.ru_utime + used.ru_stime) + seconds, most), most))


def _at_most(wanted: int, most: int) -> int:
    return wanted if most == resource.RLIM_INFINITY else min(wanted, most)

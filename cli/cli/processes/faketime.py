"""libfaketime: a process whose wall clock is wrong on purpose. Only tests use it; Debian's package is `faketime`."""

from collections.abc import Mapping
from pathlib import Path

PACKAGE = "faketime"
PLACES = ("/usr/lib/*/faketime", "/usr/lib/faketime", "/usr/lib64/faketime", "/usr/local/lib/faketime")
NAME = "libfaketimeMT.so.1"


def library() -> Path | None:
    """Where it is, for programs with threads; None when it is not installed."""
    found = [path for place in PLACES for path in Path("/").glob(f"{place.lstrip('/')}/{NAME}")]
    return found[0] if found else None


def environment(loaded: Path, moved_by: Path) -> Mapping[str, str]:
    """What makes a process read its wall clock moved by what the file says (`+1h`), which may change as it runs.

    The monotonic clock stays: no change of a wall clock moves it, on a real machine either.
    """
    return {
        "LD_PRELOAD": str(loaded),
        "FAKETIME_TIMESTAMP_FILE": str(moved_by),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }

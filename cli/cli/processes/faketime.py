"""Give a process a wrong wall clock with libfaketime, for tests. Debian's package is `faketime`."""

from collections.abc import Mapping
from pathlib import Path

PACKAGE = "faketime"
PLACES = ("/usr/lib/*/faketime", "/usr/lib/faketime", "/usr/lib64/faketime", "/usr/local/lib/faketime")
NAME = "libfaketimeMT.so.1"


def library() -> Path | None:
    """Return the library for programs with threads; None when it is not installed."""
    found = [path for place in PLACES for path in Path("/").glob(f"{place.lstrip('/')}/{NAME}")]
    return found[0] if found else None


def environment(loaded: Path, moved_by: Path) -> Mapping[str, str]:
    """Return variables that move a process's wall clock by the content of a file (`+1h`), which may change.

    The monotonic clock stays, as on a real machine whose wall clock is set.
    """
    return {
        "LD_PRELOAD": str(loaded),
        "FAKETIME_TIMESTAMP_FILE": str(moved_by),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }

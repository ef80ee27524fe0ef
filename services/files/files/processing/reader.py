"""What reads a file: the real reader runs in a limited child process; tests may put another one in its place."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from files.domain.finding import DocumentKind, Hints
from files.reading.result import Reading

OnProgress = Callable[[int, int], None]
"""Called with the pages that are done, and all pages."""


class Reader(Protocol):
    """Reads a file."""

    async def __call__(
        self, path: Path, *, name: str, kind: DocumentKind, hints: Hints, out: Path, on_progress: OnProgress
    ) -> Reading:
        """Read the file at `path`; thumbnails are written into the folder `out`."""

"""A local folder. Several processes of one machine may share it."""

import datetime as dt
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from obstore.store import LocalStore

from shared.storage.bucket import Writer
from shared.storage.object_bucket import ObjectBucket

UNFINISHED = re.compile(r".*#\d+")
"""How obstore names a file beside its target until it is whole. No key has a `#`."""


class FolderBucket(ObjectBucket):
    """A Bucket in a folder, which is created if it is missing.

    obstore writes beside the target and renames. This class adds what keeps a blob through a power cut.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(LocalStore(folder, automatic_cleanup=True, mkdir=True), f"the folder {folder}")
        self._folder = folder

    @contextmanager
    def writer(self, key: str) -> Iterator[Writer]:
        """Open a new blob, and write it to the disk at the end."""
        with super().writer(key) as file:
            yield file
        try:
            _flush(self._folder, self._folder / key)
        except FileNotFoundError:  # another process has deleted it already
            return
        except OSError:  # a full disk may be noticed only now
            self.delete(key)
            raise

    def remove_unfinished(self, before: dt.datetime) -> int:
        """Remove what killed uploads have left; see BlobStore."""
        removed = 0
        for path in self._unfinished():
            with suppress(FileNotFoundError):  # another process has finished or removed it
                if path.stat().st_mtime < before.timestamp():
                    path.unlink()
                    removed += 1
        return removed

    def _unfinished(self) -> Iterator[Path]:
        # Not Path.rglob: it raises if another process removes a folder meanwhile.
        for folder, _, names in os.walk(self._folder):
            yield from (Path(folder, name) for name in names if UNFINISHED.fullmatch(name))


def _flush(folder: Path, file: Path) -> None:
    """Write a file and the names of its folders to the disk."""
    for path in (file, *file.parents):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        if path == folder:
            return

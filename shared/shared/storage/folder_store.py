"""Blobs in a local folder. Several processes of one machine may share it."""

import asyncio
import os
from collections.abc import AsyncIterable
from pathlib import Path

from obstore.store import LocalStore

from shared.storage.object_store import ObjectBlobStore


class FolderStore(ObjectBlobStore):
    """A BlobStore in a folder, which is created if it is missing.

    obstore writes beside the target and renames. This class adds what keeps a blob through a power cut.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(LocalStore(folder, automatic_cleanup=True, mkdir=True), f"the folder {folder}")
        self._folder = folder

    async def put(self, key: str, content: AsyncIterable[bytes]) -> int:
        """Store all of `content` under `key`, or nothing; see BlobStore."""
        size = await super().put(key, content)
        with self._translated(key):
            await asyncio.to_thread(_flush, self._folder, self._folder / key)
        return size


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

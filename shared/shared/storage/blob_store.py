"""What a place for blobs does. `open_store` returns one; one suite of tests holds for all of them."""

import datetime as dt
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

CHUNK = 4 * 2**20
"""Bytes of one request of a download. Each request is short, so that a slow reader never holds a connection open."""


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """A stored blob: its key, its size in bytes, and when it was stored (UTC)."""

    key: str
    size: int
    modified: dt.datetime


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob that exists. Its content is read in parts, so that it is never whole in memory."""

    info: BlobInfo
    read: Callable[[str, int, int], Awaitable[bytes]]
    """Reads a range of a key that is not empty and not beyond the end."""

    async def chunks(self, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Stream the bytes from `start` up to and without `end` (None: all that follow).

        Raises BlobMissing if the blob is deleted meanwhile, StorageUnavailable if the store cannot be reached.
        """
        end = self.info.size if end is None else min(end, self.info.size)
        for first in range(start, end, CHUNK):
            yield await self.read(self.info.key, first, min(first + CHUNK, end))


class BlobStore(Protocol):
    """A place for blobs. A wrong key is a ValueError: see `blob_key`."""

    async def put(self, key: str, content: AsyncIterable[bytes]) -> int:
        """Store all of `content` under `key`, or nothing; returns the size. A blob under this key is replaced.

        When it returns, the blob survives a power cut. An error of `content` is raised as it is. Raises StorageFull if
        there is no room, StorageUnavailable if the store cannot be reached.
        """

    async def open(self, key: str) -> Blob:
        """Find a blob; raises BlobMissing if there is none."""

    async def delete(self, key: str) -> None:
        """Remove a blob. One that does not exist is no error: a cleanup may repeat itself."""

    def list(self, prefix: str) -> AsyncIterator[BlobInfo]:
        """Walk over the blobs below `prefix`, in no order. The prefix ends at a whole segment; empty: all."""

    async def remove_unfinished(self, before: dt.datetime) -> int:
        """Remove what killed uploads have left, if it was last written `before`; returns how many there were."""

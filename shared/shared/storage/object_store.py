"""Blobs in any store that obstore reaches: the one implementation behind folder, S3 and Google Cloud Storage."""

from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore

from shared.errors import BlobMissing, StorageFull, StorageUnavailable
from shared.storage.blob_store import BlobInfo
from shared.storage.keys import check_key, check_prefix

PART = 8 * 2**20
"""Bytes of one part of an upload. S3 allows 10,000 parts of at least 5 MiB."""

PARTS_AT_ONCE = 2
"""Parts of one upload in flight; with the part that is being filled, they are the memory that an upload takes."""

CHUNK = 4 * 2**20
"""Bytes of one request of a download. Each request is short, so that a slow reader never holds a connection open."""

FULL = ("os error 27", "os error 28", "os error 122", "507 Insufficient Storage")
"""How obstore's messages end for EFBIG, ENOSPC and EDQUOT; it gives no other sign of the cause."""


class ObjectBlobStore:
    """A BlobStore on a store of obstore."""

    def __init__(self, store: ObjectStore, name: str) -> None:
        """`name` tells people which store is meant, without credentials."""
        self._store = store
        self._name = name

    async def put(self, key: str, content: AsyncIterable[bytes]) -> int:
        """Store all of `content` under `key`, or nothing; see BlobStore."""
        source = _Source(content)
        with self._translated(key, source):
            await obstore.put_async(
                self._store, check_key(key), source.chunks(), chunk_size=PART, max_concurrency=PARTS_AT_ONCE
            )
        return source.size

    async def open(self, key: str) -> "ObjectBlob":
        """Find a blob; raises BlobMissing if there is none."""
        with self._translated(key):
            meta = await obstore.head_async(self._store, check_key(key))
        return ObjectBlob(self, BlobInfo(key, meta["size"], meta["last_modified"]))

    async def read(self, key: str, start: int, end: int) -> bytes:
        """Read a range of a blob that is not empty."""
        with self._translated(key):
            return bytes(await obstore.get_range_async(self._store, key, start=start, end=end))

    async def delete(self, key: str) -> None:
        """Remove a blob; see BlobStore."""
        try:
            with self._translated(key):
                await obstore.delete_async(self._store, check_key(key))
        except BlobMissing:
            return

    async def list(self, prefix: str) -> AsyncIterator[BlobInfo]:
        """Walk over the blobs below `prefix`; see BlobStore."""
        with self._translated(prefix):
            async for found in obstore.list(self._store, check_prefix(prefix) or None):
                for meta in found:
                    yield BlobInfo(meta["path"], meta["size"], meta["last_modified"])

    @contextmanager
    def _translated(self, key: str, source: "_Source | None" = None) -> Iterator[None]:
        """Raise errors of obstore as ours, and errors of the content as they are."""
        try:
            yield
        except (BaseError, OSError) as problem:
            if source is not None and source.problem is not None:
                raise
            if isinstance(problem, FileNotFoundError):
                raise BlobMissing(f"there is no blob {key}") from problem
            cause = str(problem).partition("\n")[0]
            if any(sign in cause for sign in FULL):
                raise StorageFull(f"{self._name} is full: free some space or raise its quota") from problem
            raise StorageUnavailable(f"{self._name} cannot be used: {cause}") from problem


class ObjectBlob:
    """A blob of an ObjectBlobStore."""

    def __init__(self, store: ObjectBlobStore, info: BlobInfo) -> None:
        self._store = store
        self.info = info

    async def chunks(self, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Stream a part of the content; see Blob."""
        end = self.info.size if end is None else min(end, self.info.size)
        for first in range(start, end, CHUNK):
            yield await self._store.read(self.info.key, first, min(first + CHUNK, end))


class _Source:
    """The content of an upload: counts its bytes, and knows whether an error was its own."""

    def __init__(self, content: AsyncIterable[bytes]) -> None:
        self._content = content
        self.size = 0
        self.problem: Exception | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._content:
                self.size += len(chunk)
                yield chunk
        except Exception as problem:
            self.problem = problem
            raise

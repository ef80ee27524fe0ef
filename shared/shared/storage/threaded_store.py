"""The BlobStore on any bucket: runs its blocking calls in threads.

obstore has asynchronous calls, but a process that ends right after one of them may be aborted (decision 0033).
"""

import asyncio
import datetime as dt
from collections.abc import AsyncIterable, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Any, TypeVar

from shared.errors import BlobMissing, StorageUnavailable
from shared.storage.blob_store import Blob, BlobInfo
from shared.storage.bucket import Bucket
from shared.storage.keys import check_key, check_prefix

T = TypeVar("T")

THREADS = 16
"""Calls at the same time; each takes a part of a blob, never the time of a whole transfer."""


PROBE = "probe"
"""The key of the blob that tells whether blobs can be stored. All services use one: each may remove it."""


async def _probe() -> AsyncIterator[bytes]:
    yield bytes(2**20)


class ThreadedStore:
    """A BlobStore on a bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._threads = ThreadPoolExecutor(THREADS, "storage")

    async def put(self, key: str, content: AsyncIterable[bytes]) -> int:
        """Store all of `content` under `key`, or nothing; see BlobStore."""
        size, upload, writer = 0, ExitStack(), self._bucket.writer(check_key(key))
        file = await self._run(key, upload.enter_context, writer)
        try:
            async for chunk in content:
                await self._run(key, file.write, chunk)
                size += len(chunk)
        except BaseException as problem:
            await self._discard(key, upload, problem)
            raise
        await self._run(key, upload.close)
        return size

    async def open(self, key: str) -> Blob:
        """Find a blob; raises BlobMissing if there is none."""
        return Blob(await self._run(key, self._bucket.stat, check_key(key), looking=True), self._read)

    async def delete(self, key: str) -> None:
        """Remove a blob; see BlobStore."""
        try:
            await self._run(key, self._bucket.delete, check_key(key), looking=True)
        except BlobMissing:
            return

    async def list(self, prefix: str) -> AsyncIterator[BlobInfo]:
        """Walk over the blobs below `prefix`; see BlobStore."""
        pages = self._bucket.pages(check_prefix(prefix))
        while (page := await self._run(prefix, partial(next, pages, None))) is not None:
            for info in page:
                yield info

    async def remove_unfinished(self, before: dt.datetime) -> int:
        """Remove what killed uploads have left; see BlobStore."""
        return await self._run("", self._bucket.remove_unfinished, before)

    async def check(self) -> None:
        """Store and remove a blob; raises StorageUnavailable or StorageFull."""
        await self.put(PROBE, _probe())
        await self.delete(PROBE)

    async def close(self) -> None:
        """End the threads, once no call is running."""
        self._threads.shutdown(wait=False)

    async def _read(self, key: str, start: int, end: int) -> bytes:
        return await self._run(key, self._bucket.read, key, start, end, looking=True)

    async def _discard(self, key: str, upload: ExitStack, problem: BaseException) -> None:
        """End an upload without its blob. If the store is away, what was sent stays until `remove_unfinished`."""
        try:
            await self._run(key, upload.__exit__, type(problem), problem, problem.__traceback__)
        except StorageUnavailable:
            return

    async def _run(self, key: str, call: Callable[..., T], *arguments: Any, looking: bool = False) -> T:
        """Run a call in a thread. A cancel waits for its end, because two threads must not use one upload."""
        running = asyncio.get_running_loop().run_in_executor(self._threads, partial(call, *arguments))
        with self._bucket.translated(key, looking=looking):
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                await asyncio.wait([running])
                raise

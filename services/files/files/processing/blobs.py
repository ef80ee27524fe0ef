"""The blobs of a file: the original, stored by the gateway, and thumbnails beside it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

from shared.errors import Reject
from shared.storage.blob_store import BlobStore
from shared.storage.keys import blob_key

PART = 1024 * 1024


def folder_key(school: UUID, file: UUID) -> str:
    """Return what the keys of all blobs of a file begin with."""
    return blob_key("files", school, file)


def original_key(school: UUID, file: UUID) -> str:
    """Return the key of the file as it was uploaded."""
    return blob_key("files", school, file, "original")


def thumbnail_key(school: UUID, file: UUID, width: str) -> str:
    """Return the key of a thumbnail; `width` is in pixels."""
    return blob_key("files", school, file, f"thumbnail-{width}.webp")


async def fetch(store: BlobStore, key: str, target: Path, size: int) -> None:
    """Write a blob to `target`; raises Reject if it has another size than was uploaded."""
    blob = await store.open(key)
    if blob.info.size != size:
        raise Reject(f"the stored file has {blob.info.size} bytes; {size} were uploaded")
    with target.open("wb") as file:
        async for part in blob.chunks():
            await asyncio.to_thread(file.write, part)


async def keep(store: BlobStore, key: str, source: Path) -> None:
    """Store a file of the disk."""
    await store.put(key, _parts(source))


async def _parts(source: Path) -> AsyncIterator[bytes]:
    with source.open("rb") as file:
        while part := await asyncio.to_thread(file.read, PART):
            yield part

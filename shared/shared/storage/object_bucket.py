"""A local folder, S3, and what speaks its protocol: by obstore."""

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore

from shared.errors import NO_SPACE, BlobMissing, StorageFull, StorageUnavailable, is_full
from shared.storage.blob_store import BlobInfo
from shared.storage.bucket import PART, Writer

PARTS_AT_ONCE = 2
"""Parts of one upload in flight; with the part that is being filled, they are the memory that an upload takes."""

FULL = (*(f"os error {code}" for code in NO_SPACE), "507 Insufficient Storage")
"""What obstore's messages say of a full disk or bucket; it gives no other sign of the cause."""


class ObjectBucket:
    """A Bucket in a store of obstore."""

    def __init__(self, store: ObjectStore, name: str) -> None:
        """`name` tells people which store is meant, without credentials."""
        self._store = store
        self._name = name

    def writer(self, key: str) -> AbstractContextManager[Writer]:
        """Open a new blob; see Bucket."""
        return obstore.open_writer(self._store, key, buffer_size=PART, max_concurrency=PARTS_AT_ONCE)

    def stat(self, key: str) -> BlobInfo:
        """Find a blob."""
        meta = obstore.head(self._store, key)
        return BlobInfo(key, meta["size"], meta["last_modified"])

    def read(self, key: str, start: int, end: int) -> bytes:
        """Read a range that is not empty."""
        return bytes(obstore.get_range(self._store, key, start=start, end=end))

    def delete(self, key: str) -> None:
        """Remove a blob."""
        obstore.delete(self._store, key)

    def pages(self, prefix: str) -> Iterator[Sequence[BlobInfo]]:
        """Walk over all blobs below a prefix, some at a time."""
        for page in obstore.list(self._store, prefix or None):
            yield [BlobInfo(meta["path"], meta["size"], meta["last_modified"]) for meta in page]

    def remove_unfinished(self, before: dt.datetime) -> int:  # noqa: ARG002  # a rule of the bucket removes them
        """Remove nothing: a bucket needs a rule that ends unfinished uploads (docs/storage.md)."""
        return 0

    @contextmanager
    def translated(self, key: str, *, looking: bool) -> Iterator[None]:
        """Raise obstore's errors as ours; see Bucket."""
        try:
            yield
        except (BaseError, OSError) as problem:
            cause = str(problem).partition("\n")[0]
            if looking and isinstance(problem, FileNotFoundError) and "NoSuchBucket" not in str(problem):
                raise BlobMissing(f"there is no blob {key}") from problem
            if is_full(problem) or any(sign in cause for sign in FULL):
                raise StorageFull(f"{self._name} is full: free some space or raise its quota") from problem
            raise StorageUnavailable(f"{self._name} cannot be used: {cause}") from problem

"""What the libraries of the stores do: calls that block, with errors of their own."""

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from shared.storage.blob_store import BlobInfo

PART = 8 * 2**20
"""Bytes of one part of an upload. S3 allows 10,000 parts of at least 5 MiB; Google wants a multiple of 256 KiB."""


class Writer(Protocol):
    """A new blob while it is written."""

    def write(self, content: bytes, /) -> object:
        """Add bytes; they are sent in parts."""


class Bucket(Protocol):
    """A store, used by one thread at a time for one blob. Keys were checked before."""

    def writer(self, key: str) -> AbstractContextManager[Writer]:
        """Open a new blob: stored when the context ends, discarded when it ends with an error."""

    def stat(self, key: str) -> BlobInfo:
        """Find a blob."""

    def read(self, key: str, start: int, end: int) -> bytes:
        """Read a range that is not empty."""

    def delete(self, key: str) -> None:
        """Remove a blob."""

    def pages(self, prefix: str) -> Iterator[Sequence[BlobInfo]]:
        """Walk over all blobs below a prefix, some at a time."""

    def remove_unfinished(self, before: dt.datetime) -> int:
        """Remove what killed uploads have left."""

    def translated(self, key: str, *, looking: bool) -> AbstractContextManager[None]:
        """Raise the library's errors as ours. `looking`: whether a blob that is not there is one of them."""

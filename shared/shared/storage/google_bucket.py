"""Google Cloud Storage, which is also Firebase Storage: by Google's library."""

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import requests
from google.api_core.exceptions import GoogleAPICallError, NotFound, RetryError
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError
from google.cloud import storage
from google.cloud.storage.exceptions import InvalidResponse
from google.cloud.storage.fileio import BlobWriter
from google.cloud.storage.retry import DEFAULT_RETRY

from shared.errors import BlobMissing, Refused, StorageUnavailable
from shared.storage.blob_store import BlobInfo
from shared.storage.bucket import PART, Writer

CALL = {"timeout": (5.0, 60.0), "retry": DEFAULT_RETRY.with_timeout(5.0)}
"""Seconds to connect and to wait for an answer; seconds after which a failed call is not tried again."""

ERRORS = (GoogleAPICallError, GoogleAuthError, RetryError, InvalidResponse, requests.RequestException, ConnectionError)


def connect(bucket: str, prefix: str, endpoint: str | None) -> "GoogleBucket":
    """Return a bucket; raises Refused without credentials. An emulator at `endpoint` needs none."""
    try:
        client = _emulated(endpoint) if endpoint else storage.Client()
    except (GoogleAuthError, OSError) as problem:
        raise Refused(f"STORAGE_URL gs://{bucket}: set GOOGLE_APPLICATION_CREDENTIALS: {problem}") from problem
    return GoogleBucket(client, bucket, prefix)


def _emulated(endpoint: str) -> storage.Client:
    anonymous: Any = AnonymousCredentials  # Google's library has no types
    return storage.Client("emulator", anonymous(), client_options={"api_endpoint": endpoint})


class _Upload(BlobWriter):  # type: ignore[misc]  # Google's library has no types
    """An upload that stays failed: Google's own is tried again when its memory is freed, in whatever thread that is."""

    def __del__(self) -> None:
        """Leave what was not written to Google, who removes it."""


class GoogleBucket:
    """A Bucket below a prefix."""

    def __init__(self, client: storage.Client, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = client.bucket(bucket)
        self._prefix = f"{prefix}/" if prefix else ""

    def writer(self, key: str) -> AbstractContextManager[Writer]:
        """Open a new blob; see Bucket."""
        file: AbstractContextManager[Writer] = _Upload(self._blob(key), chunk_size=PART, ignore_flush=True, **CALL)
        return file

    def stat(self, key: str) -> BlobInfo:
        """Find a blob."""
        blob = self._blob(key)
        blob.reload(**CALL)
        return BlobInfo(key, int(blob.size), blob.updated)

    def read(self, key: str, start: int, end: int) -> bytes:
        """Read a range that is not empty."""
        content: bytes = self._blob(key).download_as_bytes(
            start=start, end=end - 1, **CALL
        )  # Google's end is inclusive
        return content

    def delete(self, key: str) -> None:
        """Remove a blob."""
        self._blob(key).delete(**CALL)

    def pages(self, prefix: str) -> Iterator[Sequence[BlobInfo]]:
        """Walk over all blobs below a prefix, some at a time."""
        below = self._prefix + (f"{prefix}/" if prefix else "")
        for page in self._client.list_blobs(self._bucket, prefix=below, **CALL).pages:
            yield [BlobInfo(blob.name.removeprefix(self._prefix), int(blob.size), blob.updated) for blob in page]

    def remove_unfinished(self, before: dt.datetime) -> int:  # noqa: ARG002  # Google removes them
        """Remove nothing: Google ends unfinished uploads after a week."""
        return 0

    @contextmanager
    def translated(self, key: str, *, looking: bool) -> Iterator[None]:
        """Raise Google's errors as ours; see Bucket."""
        try:
            yield
        except ERRORS as problem:
            if looking and isinstance(problem, NotFound) and "bucket does not exist" not in str(problem):
                raise BlobMissing(f"there is no blob {key}") from problem
            name, cause = self._bucket.name, type(problem).__name__
            raise StorageUnavailable(f"the bucket gs://{name} cannot be used: {cause}") from problem

    def _blob(self, key: str) -> storage.Blob:
        return self._bucket.blob(self._prefix + key)

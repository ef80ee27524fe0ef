"""Compares blobs with the rows that name them, for invariants: each blob has a row, and each row its blob."""

import datetime as dt
from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from shared.storage.blob_store import BlobStore

SETTLED = dt.timedelta(minutes=10)
"""Age from which a blob without a row is one too many. A younger one may be on its way to its row."""


@dataclass(frozen=True, slots=True)
class Differences:
    """Keys that only one side has, in order. Both must be empty."""

    blobs_without_row: tuple[str, ...]
    rows_without_blob: tuple[str, ...]

    @property
    def violations(self) -> int:
        """The number that an invariant exports."""
        return len(self.blobs_without_row) + len(self.rows_without_blob)


async def compare(
    store: BlobStore,
    prefix: str,
    rows: Callable[[], Awaitable[AbstractSet[str]]],
    settled: dt.timedelta = SETTLED,
) -> Differences:
    """Compare the blobs below `prefix` with the keys that `rows` returns. All keys are in memory: take one school's.

    Work goes on meanwhile, so that `rows` is asked before and after the blobs were listed: what it says only once is no
    difference. Nothing is removed: a person decides.
    """
    before = await rows()
    settled_until = dt.datetime.now(dt.UTC) - settled
    blobs = {info.key: info.modified async for info in store.list(prefix)}
    after = await rows()
    return Differences(
        blobs_without_row=tuple(
            sorted(
                key
                for key, modified in blobs.items()
                if key not in before and key not in after and modified <= settled_until
            )
        ),
        rows_without_blob=tuple(sorted((before & after) - blobs.keys())),
    )

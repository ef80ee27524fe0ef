"""An upload on its way: from the request to a file, in parts into the database, from there to the importer's file.

A part is all that is ever in memory, and no transaction waits for a slow sender.
"""

import hashlib
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import BinaryIO, cast
from uuid import UUID

from gateway.problems import Problem
from shared.transactions.unit_of_work import UnitOfWork

PART = 1024 * 1024
# Add a part of an upload.
INSERT_PART = "INSERT INTO import_part (task_id, number, content) VALUES (%(task)s, %(number)s, %(content)s)"
# Select a part of an upload.
SELECT_PART = "SELECT content FROM import_part WHERE task_id = %(task)s AND number = %(number)s"
# Select an upload of the release before, which is in the job's own row.
SELECT_WHOLE = "SELECT content FROM import_job WHERE task_id = %(task)s"
# Select how an import was requested.
SELECT_ORDER = "SELECT source, dry_run, confirmed, by_key FROM import_job WHERE task_id = %(task)s"
# Delete an upload when its job ends, with or without success.
DISCARD_UPLOAD = """
WITH parts AS (DELETE FROM import_part WHERE task_id = %(task)s)
UPDATE import_job SET finished_at = clock_timestamp(), content = NULL, waiting = false WHERE task_id = %(task)s
"""


async def receive(stream: AsyncIterator[bytes], limit: int) -> BinaryIO:
    """Write the body to a private file; 413 beyond `limit` bytes, 422 when it is empty."""
    file = _private_file()
    try:
        await _spool(stream, limit, file)
    except BaseException:
        file.close()
        raise
    return file


async def _spool(stream: AsyncIterator[bytes], limit: int, file: BinaryIO) -> None:
    taken = 0
    async for piece in stream:
        taken += len(piece)
        if taken > limit:
            raise Problem(413, "too_large", f"At most {limit} bytes.")
        file.write(piece)
    if not taken:
        raise Problem(422, "roster_refused", "The body is empty. Send a zip file.")
    file.seek(0)


def digest(file: BinaryIO) -> str:
    """Compute the SHA-256 of an upload."""
    sha256 = hashlib.sha256()
    while part := file.read(PART):
        sha256.update(part)
    file.seek(0)
    return sha256.hexdigest()


async def keep(tx: UnitOfWork, task: UUID, file: BinaryIO) -> None:
    """Commit an upload with its job."""
    number = 0
    while part := file.read(PART):
        await tx.execute(INSERT_PART, {"task": task, "number": number, "content": part})
        number += 1


async def fetch(tx: UnitOfWork, task: UUID) -> BinaryIO:
    """Write an upload from the database to a private file."""
    file = _private_file()
    number = 0
    while row := await tx.row(SELECT_PART, {"task": task, "number": number}):
        file.write(row["content"])
        number += 1
    if number == 0 and (row := await tx.row(SELECT_WHOLE, {"task": task})):
        file.write(row["content"] or b"")
    file.seek(0)
    return file


@dataclass(frozen=True, slots=True)
class Order:
    """How an import was requested: `source` as the request names it, else the manifest does; `by_key`: by a program."""

    source: str = ""
    dry_run: bool = False
    confirmed: bool = False
    by_key: bool = False


async def order(tx: UnitOfWork, task: UUID) -> Order:
    """Return how an import was requested."""
    row = await tx.row(SELECT_ORDER, {"task": task})
    return Order(**row) if row is not None else Order()


async def discard(tx: UnitOfWork, task: UUID) -> None:
    """Drop the upload of a job that ends in this commit."""
    await tx.execute(DISCARD_UPLOAD, {"task": task})


def _private_file() -> BinaryIO:
    """Open a file without a name; the caller closes it."""
    return cast("BinaryIO", tempfile.TemporaryFile(buffering=PART))

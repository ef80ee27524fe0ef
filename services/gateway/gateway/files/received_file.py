"""What an upload is: its bytes, measured, and its name, cleaned. The bytes are on disk, never whole in memory."""

import asyncio
import hashlib
import unicodedata
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from fastapi import UploadFile

from gateway.problems import Problem

PART = 1024 * 1024
LONGEST_NAME = 200
NAMELESS = "file"


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """An uploaded file: its cleaned name, what the sender calls its type, its size and its SHA-256."""

    name: str
    media_type: str
    size: int
    sha256: str


async def measure(file: UploadFile, most: int) -> ReceivedFile:
    """Measure a file; 413 if it has more than `most` bytes, 422 `empty_file` if it has none."""
    size = file.size or 0
    if size > most:
        raise Problem(413, "too_large", f"A file has at most {most} bytes; this one has {size}.")
    if size == 0:
        raise Problem(422, "empty_file")
    # In a thread, because the hash of hundreds of megabytes would delay every other request.
    sha256 = await asyncio.to_thread(_digest, file)
    return ReceivedFile(clean_name(file.filename or ""), (file.content_type or "")[:100], size, sha256)


async def chunks(file: UploadFile) -> AsyncIterator[bytes]:
    """Read the file from its beginning, in parts."""
    await file.seek(0)
    while part := await file.read(PART):
        yield part


def clean_name(name: str) -> str:
    """Return a name that is safe to show: no folders, no control or format characters, at most 200 characters."""
    shown = "".join(each for each in unicodedata.normalize("NFC", name) if unicodedata.category(each)[0] != "C")
    last = PurePosixPath(shown.replace("\\", "/")).name.strip()
    stem, dot, ending = last.rpartition(".")
    if len(last) > LONGEST_NAME and dot and len(ending) < LONGEST_NAME // 2:
        last = stem[: LONGEST_NAME - len(ending) - 1] + dot + ending
    last = last[:LONGEST_NAME]
    return NAMELESS if last in ("", ".", "..") else last


def _digest(file: UploadFile) -> str:
    file.file.seek(0)
    return hashlib.file_digest(file.file, hashlib.sha256).hexdigest()  # type: ignore[arg-type]

"""Files of a report: drawn in a thread, stored under keys that follow from the report's id.

A second attempt writes the same keys again, so that a worker that dies leaves nothing that no row names for long.
"""

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator, Mapping
from typing import IO, Any

from reports.domain.content import MonthlyReport, StudentReport
from reports.making.drawing import MEDIA_TYPES, draw
from reports.making.outcome import StoredFile
from shared.events.reports import ReportFormat
from shared.storage.blob_store import BlobStore
from shared.storage.keys import blob_key

ROOM = "reports"
PART = 2**20
"""Bytes of a part of a file."""


async def store_files(
    store: BlobStore, report: dict[str, Any], content: MonthlyReport | StudentReport
) -> tuple[list[StoredFile], list[str]]:
    """Draw a report in its formats, side by side, and store the files; returns them, and warnings of the drawing."""
    names, language = report["formats"], report["language"]
    drawings = await asyncio.gather(*(asyncio.to_thread(draw, name, content, language) for name in names))
    drawn = list(zip(names, drawings, strict=True))
    stored = [await store_file(store, report, name, io.BytesIO(each.content)) for name, each in drawn]
    warnings = dict.fromkeys(warning for each in drawings for warning in each.warnings)
    return stored, list(warnings)


async def delete_files(store: BlobStore, report: Mapping[str, Any]) -> None:
    """Delete every file that attempts at a report may have stored."""
    for name in report["formats"]:
        await store.delete(blob_key(ROOM, report["school_id"], report["report_id"], f"report.{name}"))


async def store_file(store: BlobStore, report: Mapping[str, Any], form: ReportFormat, content: IO[bytes]) -> StoredFile:
    """Store one file of a report."""
    key = blob_key(ROOM, report["school_id"], report["report_id"], f"report.{form}")
    digest = hashlib.sha256()

    async def parts() -> AsyncIterator[bytes]:
        content.seek(0)
        while part := await asyncio.to_thread(content.read, PART):
            digest.update(part)
            yield part

    size = await store.put(key, parts())
    return StoredFile(form, key, MEDIA_TYPES[form], size, digest.hexdigest())

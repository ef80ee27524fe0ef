"""Files of a report: drawn in a thread, stored under keys that follow from the report's id.

A second attempt writes the same keys again, so that a worker that dies leaves nothing that no row names for long.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from reports.domain.content import MonthlyReport, StudentReport
from reports.making.drawing import MEDIA_TYPES, draw
from reports.making.outcome import StoredFile
from shared.storage.blob_store import BlobStore
from shared.storage.keys import blob_key

ROOM = "reports"


async def store_files(
    store: BlobStore, report: dict[str, Any], content: MonthlyReport | StudentReport
) -> tuple[list[StoredFile], list[str]]:
    """Draw a report in each of its formats and store the files; returns them, and warnings of the drawing."""
    stored, warnings = [], dict[str, None]()
    for name in report["formats"]:
        drawn = await asyncio.to_thread(draw, name, content, report["language"])
        key = blob_key(ROOM, report["school_id"], report["report_id"], f"report.{name}")
        file = drawn.content
        await store.put(key, _parts(file))
        digest = hashlib.sha256(file).hexdigest()
        stored.append(StoredFile(name, key, MEDIA_TYPES[name], len(file), digest))
        warnings |= dict.fromkeys(drawn.warnings)
    return stored, list(warnings)


async def delete_files(store: BlobStore, report: Mapping[str, Any]) -> None:
    """Delete every file that attempts at a report may have stored."""
    for name in report["formats"]:
        await store.delete(blob_key(ROOM, report["school_id"], report["report_id"], f"report.{name}"))


async def _parts(content: bytes) -> AsyncIterator[bytes]:
    yield content

"""Reports of all students of a grade: read and drawn some at a time, so that memory does not grow with their texts.

Both files grow in temporary files without a name, which end with the process. A worker that dies leaves nothing; the
next one begins again and stores under the same keys.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from dataclasses import replace
from tempfile import TemporaryFile
from typing import Any

from reports.domain.content import StudentReport
from reports.domain.names import name_of
from reports.figures.figures import student_progress, students_of_grade
from reports.making.content import origin_of, subject_of
from reports.making.drawing import ONE_AT_A_TIME
from reports.making.files import store_file
from reports.making.outcome import StoredFile
from reports.pages.bundle import Bundle
from reports.pages.render import open_bundle
from shared.errors import Reject
from shared.storage.blob_store import BlobStore
from shared.transactions.unit_of_work import UnitOfWorkFactory

PART = 50
"""Students whose records are in memory at a time; the progress is recorded after each part."""


Progress = Callable[[int, int], Awaitable[None]]
"""Says how many students of how many are drawn; raises to stop."""


async def store_bundle(
    progress: Progress, transactions: UnitOfWorkFactory, store: BlobStore, report: dict[str, Any]
) -> tuple[list[StoredFile], list[str]]:
    """Draw and store the files of a grade; returns them, and warnings of the drawing. Raise Reject without students."""
    subject, origin = subject_of(report), origin_of(report)
    async with transactions.begin() as tx:
        students = await students_of_grade(tx, subject, report["grade"])
    if not students:
        raise Reject(f"no student of grade {report['grade']} was at this school in the period")
    with (
        TemporaryFile() as archive,
        TemporaryFile() as document,
        closing(open_bundle(archive, report["language"], origin.as_of)) as bundle,
    ):
        for first in range(0, len(students), PART):
            part = students[first : first + PART]
            async with transactions.begin() as tx:
                contents = [await student_progress(tx, replace(subject, student=each), origin) for each in part]
            await asyncio.to_thread(_draw, bundle, contents)
            await progress(first + len(part), len(students))
        title = f"{name_of(report['kind'], report['language'])} · {report['grade']} · {contents[0].school.name}"
        await asyncio.to_thread(bundle.finish, document, title)
        files = {"pdf": document, "zip": archive}
        stored = [await store_file(store, report, form, files[form]) for form in report["formats"]]
    return stored, list(bundle.warnings)


def _draw(bundle: Bundle, contents: Sequence[StudentReport]) -> None:
    for content in contents:
        with ONE_AT_A_TIME["pdf"]:
            bundle.add(content)

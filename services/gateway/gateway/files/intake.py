"""Takes a file in: a row under a lease, the blob under the file's id, then `stored` and the event in one commit.

A kill at any moment leaves a file that is stored as a whole, or a row `receiving`, which `orphans` removes with its
blob once the lease has expired. The lease is twice as long as storing may take, so the two never meet.
"""

import asyncio
import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from fastapi import UploadFile
from uuid_utils.compat import uuid7

from gateway.files.received_file import ReceivedFile, chunks
from gateway.http.idempotency import answered, recalled
from gateway.problems import Problem
from gateway.security.caller import Caller
from shared.errors import StorageFull, StorageUnavailable
from shared.events import FileUploaded
from shared.events.files import FileKind
from shared.storage.blob_store import BlobStore
from shared.storage.keys import blob_key
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

log = structlog.get_logger()

KIND = "file.process"
"""The kind of the task that reads a file."""

# Select the directory version of an active school.
SELECT_SCHOOL = "SELECT directory_version FROM school WHERE school_id = %(school)s AND active"
# Find a student of the school; for a guardian, one whose payments the guardian answers for.
SELECT_STUDENT = """
SELECT FROM student s WHERE s.school_id = %(school)s AND s.student_id = %(student)s
  AND (%(guardian)s::uuid IS NULL OR EXISTS (
      SELECT FROM guardianship g WHERE g.school_id = s.school_id AND g.student_id = s.student_id
        AND g.guardian_id = %(guardian)s AND g.billing))
"""
# Let uploads of one school reserve space one after the other: two at once could both find the last free bytes.
LOCK_SPACE = "SELECT pg_advisory_xact_lock(hashtextextended('upload:' || %(school)s::text, 0))"
# Sum the bytes that a school's files take, those on their way included.
SUM_SPACE = """
SELECT coalesce(sum(size), 0) AS taken FROM upload WHERE school_id = %(school)s AND deleted_at IS NULL
"""
# Reserve the space and the id of a file; its sender holds the row until the lease expires.
INSERT_UPLOAD = """
INSERT INTO upload (file_id, school_id, student_id, kind, leased_until, size, sha256, task_id, uploaded_by)
VALUES (%(file)s, %(school)s, %(student)s, %(kind)s, clock_timestamp() + make_interval(secs => %(lease)s),
        %(size)s, %(sha256)s, %(task)s, %(person)s)
"""
# Let uploads of the same bytes end one after the other, so that the second finds the first.
LOCK_CONTENT = "SELECT pg_advisory_xact_lock(hashtextextended(%(school)s::text || %(sha256)s, 0))"
# Find the first file of the school with these bytes that was not deleted.
SELECT_DUPLICATE = """
SELECT file_id FROM upload
WHERE school_id = %(school)s AND sha256 = %(sha256)s AND state = 'stored' AND deleted_at IS NULL
ORDER BY file_id LIMIT 1
"""
# The blob is stored. Filtered by the lease: what `orphans` may have removed must not count as stored.
MARK_STORED = """
UPDATE upload SET state = 'stored', duplicate_of = %(duplicate)s
WHERE file_id = %(file)s AND state = 'receiving' AND leased_until > clock_timestamp() RETURNING created_at
"""
# Open the task of a file, which can be asked for from then on.
INSERT_TASK = """
INSERT INTO task (task_id, school_id, kind, state, created_by)
VALUES (%(task)s, %(school)s, 'file.process', 'accepted', %(person)s)
"""
# The blob was not stored, or is not needed: `orphans` removes it and the row.
MARK_ABANDONED = """
UPDATE upload SET state = 'abandoned', leased_until = clock_timestamp()
WHERE file_id = %(file)s AND state = 'receiving' RETURNING file_id
"""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is uploaded, to which school, about which student."""

    school: UUID
    kind: FileKind
    student: UUID | None
    file: ReceivedFile

    def request(self) -> dict[str, Any]:
        """Return what makes this request the same as another one, for idempotency."""
        student = str(self.student) if self.student else None
        return {"route": "files", "kind": self.kind, "student": student, "sha256": self.file.sha256}


class Intake:
    """Takes files in. `lease` is in seconds; storing a file is limited to half of it. `space`: bytes of a school."""

    def __init__(self, rows: UnitOfWorkFactory, store: BlobStore, *, lease: float, space: int) -> None:
        self._rows = rows
        self._store = store
        self._lease = lease
        self._space = space

    async def accept(self, caller: Caller, wish: Wish, content: UploadFile, key: str | None) -> dict[str, Any]:
        """Store a file and commit its upload; returns the answer, the same for the same key and file.

        Raises Problem: 404 `unknown_school`, 409 `idempotency_conflict`, 413 `school_full`, 422 `unknown_people`,
        503 `unavailable`, 507 `storage_full`.
        """
        file, task = uuid7(), uuid7()
        async with self._rows.request(wish.school) as tx:
            before = await recalled(tx, caller, wish.school, key, wish.request())
            if before is not None:
                return before
            version = await self._reserve(tx, caller, wish, file, task)
        try:
            await self._put(file, wish, content)
        except BaseException:
            await self._abandon(file, wish.school)
            raise
        async with self._rows.request(wish.school) as tx:
            answer, known = await self._record(tx, caller, wish, key, file, task, version)
        if known:
            await self._abandon(file, wish.school)
        return answer

    async def _reserve(self, tx: UnitOfWork, caller: Caller, wish: Wish, file: UUID, task: UUID) -> int:
        """Write the row of the upload; returns the school's directory version."""
        values = {"school": wish.school, "student": wish.student, "size": wish.file.size, "kind": wish.kind}
        school = await tx.row(SELECT_SCHOOL, values)
        if school is None:
            raise Problem(404, "unknown_school")
        guardian = caller.person if caller.role == "guardian" else None
        if wish.student and await tx.row(SELECT_STUDENT, values | {"guardian": guardian}) is None:
            raise Problem(422, "unknown_people", people=[str(wish.student)])
        await tx.execute(LOCK_SPACE, values)
        space = await tx.row(SUM_SPACE, values)
        if space is None or space["taken"] + wish.file.size > self._space:
            raise Problem(413, "school_full", space=self._space)
        more = {"file": file, "task": task, "lease": self._lease, "sha256": wish.file.sha256, "person": caller.person}
        await tx.execute(INSERT_UPLOAD, values | more)
        version: int = school["directory_version"]
        return version

    async def _put(self, file: UUID, wish: Wish, content: UploadFile) -> None:
        try:
            async with asyncio.timeout(self._lease / 2):
                await self._store.put(original_key(wish.school, file), chunks(content))
        except StorageFull as problem:
            log.warning("upload.storage_full", file_id=str(file), size=wish.file.size)
            raise Problem(507, "storage_full") from problem
        except (StorageUnavailable, TimeoutError) as problem:
            log.warning("upload.storage_away", file_id=str(file), error=type(problem).__name__)
            raise Problem(503, "unavailable", "The store of files is unavailable. Nothing was kept.") from problem

    async def _record(
        self, tx: UnitOfWork, caller: Caller, wish: Wish, key: str | None, file: UUID, task: UUID, version: int
    ) -> tuple[dict[str, Any], bool]:
        """Commit a stored file; returns the answer, and whether it was given before to the same request."""
        ids = {"file": file, "task": task, "school": wish.school, "person": caller.person, "sha256": wish.file.sha256}
        await tx.execute(LOCK_CONTENT, ids)
        twin = await tx.row(SELECT_DUPLICATE, ids)
        duplicate: UUID | None = twin["file_id"] if twin else None
        answer = {
            "id": str(file),
            "task_id": str(task),
            "state": "accepted",
            "duplicate_of": str(duplicate) if duplicate else None,
        }
        before = await answered(tx, caller, wish.school, key, wish.request(), answer)
        if before is not None:
            return before, True
        stored = await tx.row(MARK_STORED, ids | {"duplicate": duplicate})
        if stored is None:
            raise Problem(503, "unavailable", "Storing the file took too long. Nothing was kept; send it again.")
        await tx.execute(INSERT_TASK, ids)
        tx.emit(_uploaded(caller, wish, ids, duplicate, version, stored["created_at"]))
        return answer, False

    async def _abandon(self, file: UUID, school: UUID) -> None:
        """Let `orphans` remove a file at once; if this cannot be committed, it does so after the lease."""
        try:
            async with self._rows.request(school) as tx:
                await tx.execute(MARK_ABANDONED, {"file": file})
        except Exception as problem:  # noqa: BLE001  # the error before it is the one to answer
            log.warning("upload.not_abandoned", file_id=str(file), error=type(problem).__name__)


def original_key(school: UUID, file: UUID) -> str:
    """Return the key of an uploaded file's blob."""
    return blob_key("files", school, file, "original")


def _uploaded(
    caller: Caller, wish: Wish, ids: dict[str, Any], duplicate: UUID | None, version: int, at: dt.datetime
) -> FileUploaded:
    return FileUploaded(
        file_id=ids["file"],
        school_id=wish.school,
        task_id=ids["task"],
        kind=wish.kind,
        directory_version=version,
        student_id=wish.student,
        name=wish.file.name,
        media_type=wish.file.media_type,
        size=wish.file.size,
        sha256=wish.file.sha256,
        duplicate_of=duplicate,
        uploaded_by=caller.person,
        uploader_role=caller.role,
        uploaded_at=at,
    )

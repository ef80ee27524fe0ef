"""Which file a request is about: the gateway knows every upload from the moment it is stored."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends
from pydantic import BaseModel

from gateway.files.roles import sees
from gateway.http.dependencies import Rows, seen_by
from gateway.problems import Problem
from gateway.security.audit import Audited
from gateway.security.caller import CurrentCaller
from shared.events.files import FileKind

# Find an upload that is stored.
SELECT_UPLOAD = """
SELECT file_id AS id, school_id AS school, kind, task_id, uploaded_by, deleted_at IS NOT NULL AS deleted
FROM upload WHERE file_id = %(id)s AND state = 'stored'
"""


class KnownFile(BaseModel):
    """A stored file that the caller may see."""

    id: UUID
    school: UUID
    kind: FileKind
    task_id: UUID
    uploaded_by: UUID | None
    deleted: bool

    @property
    def path(self) -> str:
        """The path of the file at the file service."""
        return f"/v1/files/{self.id}"


async def _known_file(file_id: UUID, caller: CurrentCaller, rows: Rows, audited: Audited) -> KnownFile:
    """Find a file; 404 for one that does not exist, is another school's, or is hidden from the caller."""
    async with seen_by(rows, caller) as tx:
        row = await tx.row(SELECT_UPLOAD, {"id": file_id})
    if row is None or not sees(caller, row["uploaded_by"]):
        raise Problem(404, "not_found")
    audited.school = row["school"]
    return KnownFile.model_validate(row)


SeenFile = Annotated[KnownFile, Depends(_known_file)]
"""The file of a route with `file_id`."""

"""Decisions about files: confirm, delete, restore, read again. The file service decides."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header
from fastapi.responses import Response
from pydantic import Field, StringConstraints

from gateway.files.known_files import KnownFile, SeenFile
from gateway.files.roles import check_review
from gateway.http.dependencies import Rows, Services
from gateway.http.fields import Prose, Strict
from gateway.http.guarded_route import GuardedRoute
from gateway.http.json_types import Flag
from gateway.http.service_client import ServiceClients
from gateway.problems import Problem
from gateway.security.access_control import OFFICE, STAFF, allow
from gateway.security.caller import Caller, CurrentCaller

router = APIRouter(prefix="/v1/files", tags=["files"], route_class=GuardedRoute)

IfMatch = Annotated[str | None, Header(max_length=100)]
ValueName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{0,49}$")]
Values = dict[ValueName, Prose | None]

# Select which people are students of a school.
SELECT_STUDENTS = "SELECT student_id FROM student WHERE school_id = %(school)s AND student_id = ANY(%(students)s)"


class ShareIn(Strict):
    """One sibling's part of a receipt."""

    student_id: UUID
    amount: Annotated[str, StringConstraints(max_length=20)]


class FileConfirmation(Strict):
    """Corrections of what a file says, as text; what is missing stays as it was read. `rows` replaces all rows.

    `another_one`: the file is not the earlier one that it looks like. `splits` divides a receipt among siblings, and
    comes to its amount.
    """

    student_id: UUID | None = None
    fields: Values = Field(default={}, max_length=50)
    rows: list[Values] | None = Field(default=None, max_length=1000)
    another_one: Flag = False
    splits: list[ShareIn] | None = Field(default=None, min_length=2, max_length=20)

    @property
    def students(self) -> set[UUID]:
        """The students whom the confirmation names."""
        named = {self.student_id} if self.student_id else set()
        return named | {each.student_id for each in self.splits or ()}


@router.post("/{file_id}/confirm", dependencies=[allow(STAFF, scope="files:write")])
async def confirm(
    file: SeenFile,
    body: FileConfirmation,
    caller: CurrentCaller,
    rows: Rows,
    owners: Services,
    if_match: IfMatch = None,
) -> Response:
    """Confirm what a file says, with corrections: a payment, an incident or grades are recorded from it.

    409 `too_late` if it was recorded already, `conflict` if it does not need a review, or if another file seems to be
    the same document and `another_one` is not set. Receipts are confirmed by the office.
    """
    check_review(caller, file.kind)
    if body.students:
        values = {"school": file.school, "students": list(body.students)}
        async with rows.request(file.school) as tx:
            known = {row["student_id"] for row in await tx.rows(SELECT_STUDENTS, values)}
        if unknown := body.students - known:
            raise Problem(422, "unknown_people", people=sorted(map(str, unknown)))
    wish = body.model_dump(mode="json", exclude_unset=True)
    return await _decide(file, "POST", "/confirm", caller, owners, if_match, wish)


@router.delete("/{file_id}", status_code=204, dependencies=[allow(OFFICE, scope="files:write")])
async def delete(file: SeenFile, caller: CurrentCaller, owners: Services, if_match: IfMatch = None) -> Response:
    """Delete a file; it can be restored for 30 days. Records that it led to stay."""
    return await _decide(file, "DELETE", "", caller, owners, if_match)


@router.post("/{file_id}/restore", dependencies=[allow(OFFICE, scope="files:write")])
async def restore(file: SeenFile, caller: CurrentCaller, owners: Services, if_match: IfMatch = None) -> Response:
    """Restore a deleted file. 409 `too_late` once it is being purged."""
    return await _decide(file, "POST", "/restore", caller, owners, if_match)


@router.post("/{file_id}/reprocess", dependencies=[allow(OFFICE, scope="files:write")])
async def reprocess(file: SeenFile, caller: CurrentCaller, owners: Services, if_match: IfMatch = None) -> Response:
    """Read a file again; `task_id` is the new task. What was recorded or confirmed stays as it is."""
    return await _decide(file, "POST", "/reprocess", caller, owners, if_match)


async def _decide(
    file: KnownFile,
    method: str,
    verb: str,
    caller: Caller,
    owners: ServiceClients,
    if_match: str | None,
    wish: Any = None,
) -> Response:
    return await owners.send_command(
        "files", method, f"{file.path}{verb}", caller, file.school, wish, if_match=if_match
    )

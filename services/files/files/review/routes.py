"""Routes of files: reads, and decisions of people. The gateway calls them with an internal token, for one school."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Query, Response

from files.review import decisions, reads
from files.review.decisions import Target
from files.review.schemas import Confirmation, FilePage, ShownFile, ShownState
from shared.events.files import FileKind
from shared.http.internal_auth import InternalCaller, internal_caller, transactions
from shared.http.preconditions import IfMatch, etag
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

router = APIRouter(prefix="/v1/files", tags=["files"])

Who = Annotated[InternalCaller, Depends(internal_caller)]
Rows = Annotated[UnitOfWorkFactory, Depends(transactions)]
Decide = Callable[[UnitOfWork, Target], Awaitable[Any]]


@router.get("")
async def listing(
    who: Who,
    rows: Rows,
    state: ShownState | None = None,
    kind: FileKind | None = None,
    student: UUID | None = None,
    after: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> FilePage:
    """Files of a school, newest first, deleted ones only where `state` asks for them. Guardians see their uploads."""
    values: dict[str, Any] = {"state": state, "kind": kind, "student": student, "after": after}
    if state not in ("deleted", "purging"):
        values["present"] = True
    if who.role == "guardian":
        values["uploaded_by"] = who.person
    async with rows.request(who.school) as tx:
        found = await reads.LIST_FILES.all(tx, school=who.school, limit=limit + 1, **values)
    items = found[:limit]
    return FilePage(items=items, next=items[-1].id if len(found) > limit else None)


@router.get("/{file_id}")
async def read(file_id: UUID, who: Who, rows: Rows, response: Response) -> ShownFile:
    """One file with what it says; the ETag is its version."""
    async with rows.request(who.school) as tx:
        return await _shown(tx, file_id, who.school, response)


@router.post("/{file_id}/confirm")
async def confirm(
    file_id: UUID, body: Confirmation, who: Who, rows: Rows, version: IfMatch, response: Response
) -> ShownFile:
    """Confirm what a file says, with corrections; its records follow."""
    target = Target(file_id, who.school, who.person, version)
    return await _decide(rows, target, response, lambda tx, it: decisions.confirm(tx, it, body))


@router.delete("/{file_id}", status_code=204)
async def delete(file_id: UUID, who: Who, rows: Rows, version: IfMatch) -> Response:
    """Delete a file; it can be restored for 30 days. Its records stay."""
    async with rows.begin() as tx:
        await decisions.delete(tx, Target(file_id, who.school, who.person, version))
    return Response(status_code=204)


@router.post("/{file_id}/restore")
async def restore(file_id: UUID, who: Who, rows: Rows, version: IfMatch, response: Response) -> ShownFile:
    """Restore a deleted file."""
    return await _decide(rows, Target(file_id, who.school, who.person, version), response, decisions.restore)


@router.post("/{file_id}/reprocess")
async def reprocess(file_id: UUID, who: Who, rows: Rows, version: IfMatch, response: Response) -> ShownFile:
    """Read a file again; `task_id` is the new task. What was recorded or confirmed stays as it is."""
    return await _decide(rows, Target(file_id, who.school, who.person, version), response, decisions.reprocess)


async def _decide(rows: UnitOfWorkFactory, target: Target, response: Response, decide: Decide) -> ShownFile:
    # As a worker, because requests may not touch the leases of tasks; each statement names the school.
    async with rows.begin() as tx:
        await decide(tx, target)
        return await _shown(tx, target.file, target.school, response)


async def _shown(tx: UnitOfWork, file: UUID, school: UUID, response: Response) -> ShownFile:
    found = await reads.READ_FILE.first(tx, school=school, id=file)
    if found is None:
        raise HTTPException(404, "no such file in this school")
    response.headers["ETag"] = etag(found.version)
    return found

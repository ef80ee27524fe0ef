"""Routes of roster imports."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from gateway.http.dependencies import Configured, Rows
from gateway.http.fields import MOST, Key, Limit
from gateway.http.guarded_route import GuardedRoute, UploadRoute
from gateway.roster_import import upload as import_upload
from gateway.roster_import.job import confirm, request_import
from gateway.roster_import.reads import LIST_REJECTIONS, RejectionPage
from gateway.roster_import.upload import Order
from gateway.security.access_control import PLATFORM, allow
from gateway.security.caller import CurrentCaller

ZIP = {
    "requestBody": {
        "required": True,
        "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
    }
}


router = APIRouter(prefix="/v1", tags=["directory"], route_class=GuardedRoute)
uploads = APIRouter(prefix="/v1", tags=["directory"], route_class=UploadRoute)


Source = Annotated[str, Query(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]


class ImportAccepted(BaseModel):
    """The roster is stored; `task_id` shows the progress of its import."""

    task_id: UUID
    state: Literal["accepted"]


@uploads.post(
    "/imports/oneroster",
    status_code=202,
    response_model=ImportAccepted,
    openapi_extra=ZIP,
    dependencies=[allow(PLATFORM, scope="imports:write")],
)
async def import_roster(
    request: Request,
    response: Response,
    caller: CurrentCaller,
    rows: Rows,
    settings: Configured,
    source: Source = "",
    idempotency_key: Key = None,
    *,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Import a OneRoster 1.1 or 1.2 CSV zip, given as the body.

    `source` names the system that it comes from, if the manifest does not: an id means a person of that system. A
    `dry_run` writes nothing and says what would end. An import that would end many people of a school waits: its task
    says `waits_for: confirmation`, and `POST /v1/imports/{task_id}/confirm` lets it go on. So does an import by an API
    key that would make new administrators: only a person confirms.
    """
    with await import_upload.receive(request.stream(), settings.import_limit_bytes) as upload:
        async with rows.begin() as tx:
            answer = await request_import(tx, caller, upload, idempotency_key, Order(source, dry_run))
    response.headers["Location"] = f"/v1/tasks/{answer['task_id']}"
    return answer


@router.post("/imports/{task_id}/confirm", dependencies=[allow(PLATFORM)])
async def confirm_import(task_id: UUID, rows: Rows) -> ImportAccepted:
    """Let an import end people, or make administrators, that its task names; 409 `conflict` when it does not wait.

    Cancel the task to refuse.
    """
    async with rows.begin() as tx:
        await confirm(tx, task_id)
    return ImportAccepted(task_id=task_id, state="accepted")


@router.get("/imports/{task_id}/rejected", dependencies=[allow(PLATFORM, scope="imports:read")])
async def rejected(
    task_id: UUID, rows: Rows, after: Annotated[int, Query(ge=0, le=MOST)] = 0, limit: Limit = 50
) -> RejectionPage:
    """Rows that an import could not use: file, line, column and reason."""
    async with rows.begin() as tx:
        found = await LIST_REJECTIONS.all(tx, task=task_id, after=after, limit=limit + 1)
    items = found[:limit]
    return RejectionPage(items=items, next=items[-1].number if len(found) > limit else None)

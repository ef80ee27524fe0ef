"""`GET /v1/files`: what is known of files, and what they say. The file service answers."""

from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from gateway.downloads.links import Links
from gateway.files.blob_links import links_of
from gateway.files.known_files import SeenFile
from gateway.files.roles import UPLOADERS
from gateway.http.dependencies import InSchool, Services
from gateway.http.fields import Limit
from gateway.http.guarded_route import GuardedRoute
from gateway.problems import Problem
from gateway.security.access_control import allow
from gateway.security.caller import CurrentCaller
from shared.events.files import FileKind

router = APIRouter(prefix="/v1/files", tags=["files"], route_class=GuardedRoute)

FileState = Literal["stored", "processed", "refused", "needs_review", "confirmed", "deleted", "purging"]


@router.get("", dependencies=[allow(UPLOADERS, scope="files:read")])
async def listing(
    where: InSchool,
    caller: CurrentCaller,
    owners: Services,
    state: FileState | None = None,
    kind: FileKind | None = None,
    student: UUID | None = None,
    after: UUID | None = None,
    limit: Limit = 50,
) -> Any:
    """Files of a school, newest first; pass `next` as `after` to go on. Guardians see what they uploaded."""
    asked = {
        "state": state,
        "kind": kind,
        "student": student and str(student),
        "after": after and str(after),
        "limit": limit,
    }
    params = {name: value for name, value in asked.items() if value is not None}
    return (await owners.get("files", "/v1/files", caller, where, params)).json()


@router.get("/{file_id}", dependencies=[allow(UPLOADERS, scope="files:read")])
async def read(file: SeenFile, caller: CurrentCaller, owners: Services, links: Links) -> Response:
    """One file with its fields, reasons and records; `accepted` while the file service does not know it yet.

    `links` are addresses of the original and of thumbnails; they end after minutes.
    """
    response = await owners.get("files", file.path, caller, file.school)
    if response.status_code == 404:  # noqa: PLR2004
        if file.deleted:
            raise Problem(404, "not_found", "The file was purged.")
        accepted = {"id": str(file.id), "school_id": str(file.school), "task_id": str(file.task_id)}
        return JSONResponse(accepted | {"state": "accepted"})
    found = response.json()
    return JSONResponse(found | {"links": links_of(links, found)}, headers={"ETag": response.headers["etag"]})

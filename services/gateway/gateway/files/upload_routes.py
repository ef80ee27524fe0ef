"""`POST /v1/files`: an upload is safe once it is answered; reading it is a task."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, File, Form, Response, UploadFile
from pydantic import BaseModel

from gateway.files.intake import Intake, Wish
from gateway.files.received_file import measure
from gateway.files.roles import UPLOADERS, check_upload
from gateway.files.upload_route import FileUploadRoute
from gateway.http.dependencies import Configured, Rows, school_of
from gateway.http.fields import Key, SchoolName
from gateway.security.access_control import allow
from gateway.security.audit import Audited
from gateway.security.caller import CurrentCaller
from shared.events.files import FileKind
from shared.http.provided import Provided

router = APIRouter(prefix="/v1", tags=["files"], route_class=FileUploadRoute)

Uploads = Annotated[Intake, Depends(Provided(Intake))]


class FileAccepted(BaseModel):
    """The file is stored; `task_id` is the task that reads it.

    `duplicate_of`: a file of the school that has the same bytes and was not deleted.
    """

    id: UUID
    task_id: UUID
    state: Literal["accepted"]
    duplicate_of: UUID | None


@router.post(
    "/files", status_code=202, response_model=FileAccepted, dependencies=[allow(UPLOADERS, scope="files:write")]
)
async def upload(
    kind: Annotated[FileKind, Form()],
    file: Annotated[UploadFile, File()],
    caller: CurrentCaller,
    rows: Rows,
    settings: Configured,
    intake: Uploads,
    audited: Audited,
    response: Response,
    school: Annotated[SchoolName | None, Form()] = None,
    student: Annotated[UUID | None, Form()] = None,
    idempotency_key: Key = None,
) -> dict[str, Any]:
    """Upload a file as multipart form data. Guardians upload receipts of payments for their own students.

    The file is stored before the answer, and read afterwards. 413 `too_large` beyond the limit of a file,
    `school_full` beyond the limit of a school; 507 `storage_full` if the store has no space.
    """
    check_upload(caller, kind, student)
    audited.school = where = await school_of(rows, caller, school)
    received = await measure(file, settings.file_limit_bytes)
    answer = await intake.accept(caller, Wish(where, kind, student, received), file, idempotency_key)
    audited.subject["file_id"] = answer["id"]
    response.headers["Location"] = f"/v1/tasks/{answer['task_id']}"
    return answer

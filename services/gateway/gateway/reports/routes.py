"""`/v1/reports`: request a report, follow it, download its files."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel

from gateway.downloads.links import Links, address
from gateway.http.dependencies import InSchool, Rows, Services, one_school, school_of
from gateway.http.fields import Key, Limit, Wanted
from gateway.http.guarded_route import GuardedRoute
from gateway.http.service_client import ServiceClients
from gateway.problems import Problem
from gateway.reports.access import check_request, may_see, own_students
from gateway.reports.requests import request_report
from gateway.reports.schemas import FileOut, ReportIn, ReportList, ReportOut, ReportSummary
from gateway.security.access_control import STAFF, allow
from gateway.security.caller import Caller, CurrentCaller
from shared.events.reports import ReportFormat, ReportKind
from shared.events.values import Role
from shared.http.download_links import Download, DownloadLinks

router = APIRouter(prefix="/v1/reports", tags=["reports"], route_class=GuardedRoute)

READERS: frozenset[Role] = STAFF | {"guardian"}
EXTENSIONS: dict[ReportFormat, str] = {"pdf": "pdf", "xlsx": "xlsx", "csv": "zip", "zip": "zip"}
"""CSV is one file for each list: they come as a ZIP."""


class ReportAccepted(BaseModel):
    """The request is safe; `task_id` says how it goes on."""

    id: UUID
    report_id: UUID
    task_id: UUID
    state: str


@router.post(
    "",
    status_code=202,
    response_model=ReportAccepted,
    dependencies=[allow(READERS, scope="reports:write", audited=False)],
)
async def create(
    body: ReportIn,
    caller: CurrentCaller,
    rows: Rows,
    response: Response,
    school: Wanted = None,
    idempotency_key: Key = None,
) -> dict[str, Any]:
    """Request a report. An equal one that was made before, of the same state of the records, is given again."""
    where = await school_of(rows, caller, one_school(body.school, school))
    async with rows.request(where) as tx:
        await check_request(tx, caller, where, body.kind, body.student)
        answer = await request_report(tx, caller, where, body, idempotency_key)
    response.headers["Location"] = f"/v1/tasks/{answer['task_id']}"
    return answer


@router.get("", dependencies=[allow(READERS, scope="reports:read")])
async def listing(
    school: InSchool,
    caller: CurrentCaller,
    rows: Rows,
    owners: Services,
    kind: ReportKind | None = None,
    student: UUID | None = None,
    after: UUID | None = None,
    limit: Limit = 50,
) -> ReportList:
    """Reports of a school, newest first. Teachers find those of students, guardians those of their own students."""
    students: list[UUID | None] = [student]
    if caller.role == "teacher":
        kind = kind or "student_progress"
    elif caller.role == "guardian":
        async with rows.request(school) as tx:
            students = [each for each in await own_students(tx, caller, school) if student in (None, each)]
        if student is not None and not students:
            raise Problem(404, "not_found")
    if caller.role in ("teacher", "guardian") and kind == "monthly":
        return ReportList(items=[], next=None)
    asked = {"kind": kind, "after": after and str(after), "limit": limit}
    pages = [await _page(owners, caller, school, asked | {"student": each and str(each)}) for each in students]
    items = sorted((item for page in pages for item in page.items), key=lambda item: item.id, reverse=True)
    more = len(items) > limit or any(page.next for page in pages)
    return ReportList(items=items[:limit], next=items[:limit][-1].id if more else None)


@router.get("/{report_id}", dependencies=[allow(READERS, scope="reports:read")])
async def read(
    report_id: UUID, school: InSchool, caller: CurrentCaller, rows: Rows, owners: Services, links: Links
) -> ReportOut:
    """One report, with links to its files once it is ready. 404 until the report service knows it: see its task."""
    response = await owners.get("reports", f"/v1/reports/{report_id}", caller, school)
    if response.status_code == 404:  # noqa: PLR2004
        raise Problem(404, "not_found")
    found = response.json()
    summary = _summary(found["report"])
    async with rows.request(school) as tx:
        if not await may_see(tx, caller, school, summary.kind, summary.student):
            raise Problem(404, "not_found")
    name = " ".join(filter(None, (found["name"], summary.grade, found["period"])))
    files = [_file(links, school, name, each) for each in found["files"]]
    return ReportOut(**dict(summary), name=found["name"], period=found["period"], files=files)


async def _page(owners: ServiceClients, caller: Caller, school: UUID, asked: dict[str, Any]) -> ReportList:
    params = {name: value for name, value in asked.items() if value is not None}
    page = (await owners.get("reports", "/v1/reports", caller, school, params)).json()
    return ReportList(items=[_summary(item) for item in page["items"]], next=page["next"])


def _summary(report: dict[str, Any]) -> ReportSummary:
    return ReportSummary(**report, id=report["report_id"], student=report["student_id"])


def _file(links: DownloadLinks, school: UUID, name: str, file: dict[str, Any]) -> FileOut:
    named = f"{name}.{EXTENSIONS[file['format']]}"
    download = Download(key=file["blob"], name=named, media_type=file["media_type"], school=school)
    return FileOut(**file, url=address(links, download))

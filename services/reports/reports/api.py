"""Routes for reports. The gateway calls them with an internal token, for one school, and decides who may see which."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Query
from pydantic import BaseModel

from reports.domain.names import name_of
from reports.domain.period import named
from reports.reads import FIND_FILES, LIST_REPORTS, Report, ReportFile, ReportPage
from shared.events.reports import ReportKind
from shared.http.internal_auth import InternalCaller, internal_caller, transactions
from shared.transactions.unit_of_work import UnitOfWorkFactory

router = APIRouter(prefix="/v1/reports", tags=["reports"])

Who = Annotated[InternalCaller, Depends(internal_caller)]
Rows = Annotated[UnitOfWorkFactory, Depends(transactions)]


class ReportWithFiles(BaseModel):
    """A report, its name and its files."""

    report: Report
    name: str
    period: str
    files: list[ReportFile]


@router.get("")
async def listing(
    who: Who,
    rows: Rows,
    kind: ReportKind | None = None,
    student: UUID | None = None,
    after: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> ReportPage:
    """Reports of the school, newest first."""
    async with rows.request(who.school) as tx:
        found = await LIST_REPORTS.all(tx, school=who.school, kind=kind, student=student, after=after, limit=limit + 1)
    items = found[:limit]
    return ReportPage(items=items, next=items[-1].report_id if len(found) > limit else None)


@router.get("/{report_id}")
async def read(report_id: UUID, who: Who, rows: Rows) -> ReportWithFiles:
    """One report with its files."""
    async with rows.request(who.school) as tx:
        found = await LIST_REPORTS.first(tx, school=who.school, id=report_id, limit=1)
        if found is None:
            raise HTTPException(404, "no such report in this school")
        files = await FIND_FILES.all(tx, school=who.school, report=found.same_as or report_id)
    period = named(found.starts, found.ends, found.language)
    return ReportWithFiles(report=found, name=name_of(found.kind, found.language), period=period.name, files=files)

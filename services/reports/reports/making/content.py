"""What a report says, read as of its offsets."""

from typing import Any

from reports.domain.content import MonthlyReport, Origin, StudentReport
from reports.domain.suppression import share
from reports.facts.position import Position
from reports.figures.figures import Subject, monthly, student_progress
from reports.pages.render import TEMPLATE
from shared.transactions.unit_of_work import UnitOfWork


def subject_of(report: dict[str, Any]) -> Subject:
    """Return what a report is about."""
    return Subject(
        report["school_id"],
        report["starts"],
        report["ends"],
        report["language"],
        Position(report["directory_offset"], report["records_offset"], report["work_offset"]),
        report["student_id"],
    )


def origin_of(report: dict[str, Any]) -> Origin:
    """Return what stands on each page about where the figures come from."""
    return Origin(
        report_id=str(report["report_id"]),
        as_of=report["requested_at"].replace(microsecond=0),  # a PDF's time of creation has whole seconds
        offset=report["records_offset"],
        template=TEMPLATE,
        replaces=str(report["replaces"]) if report["replaces"] else None,
        reason=report["reason"],
    )


async def read_content(tx: UnitOfWork, report: dict[str, Any]) -> MonthlyReport | StudentReport:
    """Read the content of a report about a school's month or about one student."""
    if report["kind"] != "monthly":
        return await student_progress(tx, subject_of(report), origin_of(report))
    month = await monthly(tx, subject_of(report), origin_of(report))
    return month if report["smallest_count"] is None else share(month, report["smallest_count"])

"""Draws a report in one of its formats."""

import threading

from reports.domain.content import MonthlyReport, StudentReport
from reports.pages.drawing import Drawing
from reports.pages.render import render_csv_archive, render_pdf, render_xlsx
from shared.events.reports import ReportFormat

MEDIA_TYPES: dict[ReportFormat, str] = {
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "application/zip",
    "zip": "application/zip",
}
RENDER = {"pdf": render_pdf, "xlsx": render_xlsx, "csv": render_csv_archive}

ONE_AT_A_TIME = threading.Lock()
"""The process has one compiler of pages, and drawing keeps one core busy."""


def draw(form: ReportFormat, report: MonthlyReport | StudentReport, language: str) -> Drawing:
    """Draw the file of a report; the same inputs give the same bytes."""
    with ONE_AT_A_TIME:
        return RENDER[form](report, language)

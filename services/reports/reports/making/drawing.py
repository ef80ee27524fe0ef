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

ONE_AT_A_TIME = {form: threading.Lock() for form in MEDIA_TYPES}
"""The process has one compiler of pages, and a workbook keeps the interpreter busy. A PDF is drawn beside a workbook:
the compiler does not need the interpreter.
"""


def draw(form: ReportFormat, report: MonthlyReport | StudentReport, language: str) -> Drawing:
    """Draw the file of a report; the same inputs give the same bytes."""
    with ONE_AT_A_TIME[form]:
        return RENDER[form](report, language)

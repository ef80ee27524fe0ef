"""Draws a report in one of its formats."""

import threading

from reports.domain.content import MonthlyReport, StudentReport
from reports.pages.render import render_pdf, render_xlsx

MEDIA_TYPES = {
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}

ONE_AT_A_TIME = threading.Lock()
"""The process has one compiler of pages, and drawing keeps one core busy."""


def draw(form: str, report: MonthlyReport | StudentReport, language: str) -> bytes:
    """Return the file of a report; the same inputs give the same bytes."""
    with ONE_AT_A_TIME:
        drawing = render_pdf(report, language) if form == "pdf" else render_xlsx(report, language)
    return drawing.content

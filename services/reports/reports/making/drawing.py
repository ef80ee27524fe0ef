"""Draws a report in one of its formats."""

from reports.domain.content import MonthlyReport, StudentReport
from reports.pages.render import render_pdf, render_xlsx

MEDIA_TYPES = {
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def draw(form: str, report: MonthlyReport | StudentReport, language: str) -> bytes:
    """Return the file of a report; the same inputs give the same bytes."""
    drawing = render_pdf(report, language) if form == "pdf" else render_xlsx(report, language)
    return drawing.content

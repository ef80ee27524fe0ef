"""Draws a report in a language: what the rest of the service calls."""

from reports.domain.content import MonthlyReport, StudentReport
from reports.pages.drawing import Drawing
from reports.pages.monthly import outline_monthly
from reports.pages.outline import Outline
from reports.pages.pdf import draw_pdf
from reports.pages.student import outline_student
from reports.pages.words import Words, words_of
from reports.pages.xlsx import draw_xlsx

Report = MonthlyReport | StudentReport


def render_pdf(report: Report, language: str) -> Drawing:
    """Draw a report as PDF. Raise UnknownLanguage where there are no texts."""
    words = words_of(language)
    return draw_pdf([outline(report, words)], words)


def outline(report: Report, words: Words) -> Outline:
    """Return the parts of a report in reading order."""
    return outline_monthly(report, words) if isinstance(report, MonthlyReport) else outline_student(report, words)


def render_xlsx(report: Report, language: str) -> Drawing:
    """Draw a report as an Excel workbook. Raise UnknownLanguage where there are no texts."""
    words = words_of(language)
    return draw_xlsx(outline(report, words), words)

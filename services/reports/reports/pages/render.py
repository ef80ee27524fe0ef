"""Draws reports in a language: what the rest of the service calls. Each raises UnknownLanguage without texts."""

import datetime as dt
from typing import IO

from reports.domain.content import MonthlyReport, StudentReport
from reports.pages.archive import pack
from reports.pages.bundle import Bundle
from reports.pages.csv_files import write_csv
from reports.pages.drawing import Drawing
from reports.pages.monthly import outline_monthly
from reports.pages.outline import Outline
from reports.pages.pdf import draw_pdf
from reports.pages.student import outline_student
from reports.pages.words import Words, words_of
from reports.pages.xlsx import draw_xlsx

Report = MonthlyReport | StudentReport
TEMPLATE = "5"
"""The version of the drawing. It stands on each page; raise it with each change that a reader could see."""


def render_pdf(report: Report, language: str) -> Drawing:
    """Draw a report as PDF."""
    words = words_of(language)
    return draw_pdf([outline(report, words)], words)


def render_xlsx(report: Report, language: str) -> Drawing:
    """Draw a report as an Excel workbook."""
    words = words_of(language)
    return draw_xlsx(outline(report, words), words)


def render_csv(report: Report, language: str) -> dict[str, bytes]:
    """Return file name → CSV: the figures, and each list whole."""
    words = words_of(language)
    return write_csv(outline(report, words), words)


def render_csv_archive(report: Report, language: str) -> Drawing:
    """Draw a report as one ZIP of its CSV files."""
    files = render_csv(report, language)
    return Drawing(pack(sorted(files.items()), report.origin.as_of, compressed=True))


def open_bundle(archive: IO[bytes], language: str, as_of: dt.datetime) -> Bundle:
    """Begin a bundle of students' reports, whose ZIP is written to `archive` while it grows."""
    return Bundle(archive, words_of(language), as_of)


def outline(report: Report, words: Words) -> Outline:
    """Return the parts of a report in reading order."""
    return outline_monthly(report, words) if isinstance(report, MonthlyReport) else outline_student(report, words)

"""Bundles the reports of many students: one ZIP with a file each, and one PDF for the printer."""

import datetime as dt
import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reports.pages.file_names import FileNames
from reports.pages.outline import Outline
from reports.pages.pdf import draw_pdf
from reports.pages.words import Words

ZIP_STARTS = dt.datetime(1980, 1, 1, tzinfo=dt.UTC)
"""The format knows no earlier moment."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A ZIP of PDFs and one PDF of all, in which each student starts on a right-hand page and has a bookmark."""

    archive: bytes
    document: bytes
    warnings: tuple[str, ...] = ()


def draw_bundle(outlines: Sequence[Outline], words: Words, on_drawn: Callable[[int], None]) -> Bundle:
    """Draw each report and then all as one; `on_drawn` is given how many there are after each."""
    names = FileNames()
    target = io.BytesIO()
    warnings: dict[str, None] = {}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:  # a PDF is compressed already
        for number, outline in enumerate(outlines, 1):
            drawing = draw_pdf([outline], words)
            warnings |= dict.fromkeys(drawing.warnings)
            moment = max(outline.origin.as_of.astimezone(dt.UTC), ZIP_STARTS)
            name = names.free(outline.subject or outline.title, "pdf")
            archive.writestr(zipfile.ZipInfo(name, moment.timetuple()[:6]), drawing.content)
            on_drawn(number)
    document = draw_pdf(outlines, words)
    return Bundle(target.getvalue(), document.content, tuple(warnings))

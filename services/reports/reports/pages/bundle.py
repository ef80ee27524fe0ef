"""Bundles the reports of many students, one after the other: a ZIP with a file each, and one PDF for the printer."""

import datetime as dt
import io
import zipfile
from typing import IO

from pypdf import PdfReader, PdfWriter

from reports.domain.content import StudentReport
from reports.pages.archive import ZIP_STARTS
from reports.pages.file_names import FileNames
from reports.pages.pdf import draw_pdf
from reports.pages.student import outline_student
from reports.pages.words import Words


class Bundle:
    """Both files while they grow. Each student of the one PDF starts on a right-hand page and has a bookmark.

    A report is drawn once; the one PDF joins the pages of the reports. It is for paper: the files of the ZIP have the
    tags of PDF/A and PDF/UA, the joined one has none.
    """

    def __init__(self, archive: IO[bytes], words: Words, as_of: dt.datetime) -> None:
        self.warnings = dict[str, None]()
        self._words = words
        self._names = FileNames()
        self._moment = max(as_of.astimezone(dt.UTC), ZIP_STARTS).timetuple()[:6]
        self._archive = zipfile.ZipFile(archive, "w")
        self._document = PdfWriter()

    def add(self, report: StudentReport) -> None:
        """Draw the report of one more student into both files."""
        outline = outline_student(report, self._words)
        drawing = draw_pdf([outline], self._words)
        self.warnings |= dict.fromkeys(drawing.warnings)
        name = outline.subject or outline.title
        entry = zipfile.ZipInfo(self._names.free(name, "pdf"), self._moment)
        self._archive.writestr(entry, drawing.content, compress_type=zipfile.ZIP_STORED)  # it is compressed already
        if len(self._document.pages) % 2:
            self._document.add_blank_page()
        self._document.append(PdfReader(io.BytesIO(drawing.content)), outline_item=name, import_outline=False)

    def close(self) -> None:
        """End the ZIP before its file is closed, in any case: it would be ended later, without a file to write to."""
        self._archive.close()

    def finish(self, document: IO[bytes], title: str) -> None:
        """Complete the ZIP, and write the one PDF."""
        self.close()
        self._document.add_metadata({"/Title": title})
        self._document.write(document)

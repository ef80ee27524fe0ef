"""Tells the parent how far a file is, and asks the kernel for the time that the next page may take."""

import sys
from dataclasses import dataclass

from files.reading import budget
from files.reading.limits import ReadLimits
from files.reading.refusal import Refused

OCR_LINE = "ocr"


@dataclass(slots=True)
class Progress:
    """Progress of one file, as lines on stderr: `page 3 of 50`, and `ocr` before a page that takes longer."""

    limits: ReadLimits
    ocr_pages: int = 0

    def on_page(self, number: int, count: int) -> None:
        """Say that a page was read."""
        _say(f"page {number} of {count}")

    def before_ocr(self) -> None:
        """Allow OCR of one more page."""
        self.ocr_pages += 1
        if self.ocr_pages > self.limits.ocr_pages:
            most = self.limits.ocr_pages
            raise Refused("too_many_pages", f"More than {most} pages are pictures of text. Split the document.")
        budget.before_ocr_page(self.limits, self.ocr_pages)
        _say(OCR_LINE)


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()

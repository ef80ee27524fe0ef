"""One file, from decoding to the verdict. This is all that the limited child runs."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

from files.domain.document import Document
from files.domain.finding import DocumentKind, Finding, Hints
from files.extraction import extract
from files.reading import budget
from files.reading.limits import ReadLimits
from files.reading.progress import Progress
from files.reading.reader import read_document
from files.reading.refusal import Refused
from files.reading.result import Reading, refused
from files.reading.thumbnails import thumbnails
from files.reading.verification import verified

DOUBTS = frozenset({"missing_cell_values", "script_not_supported"})
"""Notices that a person has to know before the values count."""


def read(
    path: Path, *, name: str, kind: DocumentKind, hints: Hints, out: Path | None, limits: ReadLimits, with_text: bool
) -> Reading:
    """Read a file and draw its thumbnails into `out`. A refusal is a verdict, not an error."""
    progress = Progress(limits)
    budget.start(limits)
    try:
        document = read_document(
            path, declared_name=name, limits=limits, on_page=progress.on_page, before_ocr=progress.before_ocr
        )
        reading = Reading(
            "accepted",
            media_type=document.media_type,
            pages=len(document.pages),
            notices=document.notices,
            finding=_finding(path, document, kind, hints, progress),
            thumbnails=thumbnails(path, out, document.media_type, limits) if out else {},
        )
    except Refused as refusal:
        return refused(refusal.code, refusal.message)
    except MemoryError:
        return refused("bomb", "Reading the file needs too much memory. Export it again, in a lower resolution.")
    if with_text:
        reading = replace(reading, text=tuple(tuple(line.text for line in page.lines) for page in document.pages))
    return reading


def _finding(path: Path, document: Document, kind: DocumentKind, hints: Hints, progress: Progress) -> Finding | None:
    """Return what the document says, checked against what its pages show; doubts of the reader are reasons too."""
    if kind == "other":
        return None
    finding = verified(path, document, extract(document, kind, hints), progress.before_ocr)
    doubts = [notice for notice in document.notices if notice in DOUBTS]
    return replace(finding, reasons=tuple(dict.fromkeys((*finding.reasons, *doubts))))


def hints_from(values: dict[str, object]) -> Hints:
    """Return hints from their JSON form."""
    languages, day = values.get("languages"), values.get("uploaded_on")
    return Hints(
        uploaded_on=None if day is None else dt.date.fromisoformat(str(day)),
        country=_text(values.get("country")),
        currency=_text(values.get("currency")),
        languages=tuple(map(str, languages)) if isinstance(languages, list) else ("en",),
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)

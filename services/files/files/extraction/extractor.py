"""Choose the extractor of a kind of document. Another reader is one more entry."""

from collections.abc import Mapping
from typing import Protocol

from files.domain.document import Document
from files.domain.finding import DocumentKind, Finding, Hints
from files.extraction.behavior.report import read_behavior_report
from files.extraction.receipts.receipt import read_receipt
from files.extraction.transcripts.transcript import read_transcript


class Extractor(Protocol):
    """Read one kind of document. A hosted vision model or a school's own reader is one too."""

    def __call__(self, document: Document, hints: Hints) -> Finding:
        """Return what the document says; doubts are reasons, never errors."""
        ...


EXTRACTORS: Mapping[DocumentKind, Extractor] = {
    "payment_receipt": read_receipt,
    "transcript": read_transcript,
    "behavior_report": read_behavior_report,
}


def extract(
    document: Document, kind: DocumentKind, hints: Hints, extractors: Mapping[DocumentKind, Extractor] = EXTRACTORS
) -> Finding:
    """Return what a document of a kind says. A kind without an extractor has no fields."""
    extractor = extractors.get(kind)
    return Finding(kind) if extractor is None else extractor(document, hints)

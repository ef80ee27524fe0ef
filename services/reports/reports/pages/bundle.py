"""Bundles the reports of many students: one ZIP with a file each, and one PDF for the printer."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from reports.pages.archive import pack
from reports.pages.file_names import FileNames
from reports.pages.outline import Outline
from reports.pages.pdf import draw_pdf
from reports.pages.words import Words


@dataclass(frozen=True, slots=True)
class Bundle:
    """A ZIP of PDFs and one PDF of all, in which each student starts on a right-hand page and has a bookmark."""

    archive: bytes
    document: bytes
    warnings: tuple[str, ...] = ()


def draw_bundle(outlines: Sequence[Outline], words: Words, on_drawn: Callable[[int], None]) -> Bundle:
    """Draw each report and then all as one; `on_drawn` is given how many there are after each."""
    names, warnings = FileNames(), dict[str, None]()

    def drawn() -> Iterator[tuple[str, bytes]]:
        for number, outline in enumerate(outlines, 1):
            drawing = draw_pdf([outline], words)
            warnings.update(dict.fromkeys(drawing.warnings))
            yield names.free(outline.subject or outline.title, "pdf"), drawing.content
            on_drawn(number)

    archive = pack(drawn(), outlines[0].origin.as_of, compressed=False)  # a PDF is compressed already
    document = draw_pdf(outlines, words)
    return Bundle(archive, document.content, tuple(warnings))

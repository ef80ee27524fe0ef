"""Draw the facts of a document and make it: the layouts of the demo, tills, and school reports."""

from pathlib import Path
from random import Random
from typing import Any, Final

from cli.demo.documents import maker
from cli.demo.documents.maker import Kind
from tests.corpus import school_reports, tills
from tests.corpus.facts import UPLOADED_ON, draw

FOLDER: Final = Path(__file__).with_name("layouts")
LAYOUTS: Final[dict[Kind, tuple[str, ...]]] = maker.LAYOUTS | {
    "payment_receipt": (*maker.LAYOUTS["payment_receipt"], *tills.STYLES),
    "transcript": (*maker.LAYOUTS["transcript"], *school_reports.LANGUAGE),
}
"""Layouts by kind."""


def draw_facts(kind: Kind, layout: str, dice: Random) -> dict[str, Any]:
    """Return the facts of one document."""
    if layout in tills.STYLES:
        return tills.draw_till(layout, UPLOADED_ON, dice)
    if layout in school_reports.LANGUAGE:
        person = draw(kind, dice, school_reports.LANGUAGE[layout])
        return person | school_reports.draw_report(layout, dice)
    return draw(kind, dice)


def make(kind: Kind, facts: dict[str, Any], layout: str) -> bytes:
    """Return the PDF of a document; the same arguments give the same bytes."""
    if layout in tills.STYLES:
        return maker.compile_layout(FOLDER / "till.typ", facts)
    if layout in school_reports.LANGUAGE:
        return maker.compile_layout(FOLDER / f"{layout}.typ", facts)
    return maker.make_document(kind, facts, layout)

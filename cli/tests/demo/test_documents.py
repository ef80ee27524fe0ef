"""Documents made from facts: every layout prints its facts, and always the same bytes."""

import io
from contextlib import closing
from itertools import chain
from typing import Any

import pypdfium2
import pytest
from PIL import Image

from cli.demo.documents.maker import LAYOUTS, Kind, make_document, photograph

COMMON = {"language": "de", "country": "DE", "date": "2026-09-14", "student": "Bela Demo-Fir 0012"}
FACTS: dict[Kind, dict[str, Any]] = {
    "payment_receipt": COMMON
    | {"merchant": "Demo-Schule Süd", "address": "Beispielweg 1, office@example.org", "payer": "Ada Demo-Fir 0012"}
    | {"reference": "R-2026-0042", "currency": "EUR", "amount": "1142.50", "tax": "19", "paid_by": "Karte"}
    | {"items": [{"description": "Ausflug", "quantity": "1", "unit_price": "1142.50", "amount": "1142.50"}]},
    "transcript": COMMON
    | {"school": "Demo-Schule Süd", "student_number": "D-0012", "period": "2025/26", "gpa": "2,5"}
    | {"rows": [{"subject": "Übungen", "grade": "2+"}, {"subject": "Musik", "grade": "3-"}]},
    "behavior_report": COMMON
    | {"school": "Demo-Schule Süd", "student_number": "D-0012", "reporter": "Demo-Elm 7", "category": "property_damage"}
    | {"severity": "high", "description": "Hat ein Fenster zerbrochen.", "action": "Gespräch"},
}
SAID = {
    "payment_receipt": ("Demo-Schule Süd", "14.09.2026", "R-2026-0042", "1.142,50", "Ausflug"),
    "transcript": ("Bela Demo-Fir 0012", "Übungen", "2+", "Musik", "D-0012"),
    "behavior_report": ("Bela Demo-Fir 0012", "14.09.2026", "Sachbeschädigung", "Schwer", "Fenster"),
}
ALL = tuple(chain.from_iterable(((kind, layout) for layout in layouts) for kind, layouts in LAYOUTS.items()))


@pytest.mark.parametrize(("kind", "layout"), ALL)
def test_each_layout_prints_its_facts_on_one_page_and_repeats_its_bytes(kind: Kind, layout: str):
    made = make_document(kind, FACTS[kind], layout)
    with closing(pypdfium2.PdfDocument(made)) as document:
        text = document[0].get_textpage().get_text_bounded()
        assert len(document) == 1
    # Capitals are the layout's choice; a narrow page may break a line.
    folded = " ".join(text.split()).casefold()
    for value in SAID[kind]:
        assert value.casefold() in folded.replace("￾", "-"), layout
    assert make_document(kind, FACTS[kind], layout) == made


def test_a_layout_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="receipt_fee is no layout of a transcript"):
        make_document("transcript", FACTS["transcript"], "receipt_fee")


def test_a_photograph_is_a_picture_of_the_page():
    pdf = make_document("payment_receipt", FACTS["payment_receipt"], "receipt_fee")
    with Image.open(io.BytesIO(photograph(pdf, dpi=72))) as picture:
        assert picture.format == "JPEG"
        assert picture.size == (596, 420)

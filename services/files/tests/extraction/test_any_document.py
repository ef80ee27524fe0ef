"""Any document: extraction never fails, and every field has its place on a page that exists."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from files.domain.document import Box, Document, Line, Page, Word
from files.domain.finding import DocumentKind, Hints
from files.extraction import extract, needs_review

WORDS = st.one_of(
    st.text(min_size=0, max_size=12),
    st.sampled_from(
        [
            "Total",
            "TOTAL:",
            "Cash",
            "Change",
            "12.50",
            "-3,00",
            "1.234",
            "03/04/2026",
            "Student:",
            "Grade",
            "Subject",
            "A-",
            "GPA",
            "Date",
            "Sdn Bhd",
            "GmbH",
            "Category:",
            "Bullying",
            "Refund",
            "7",
            "9,5",
            "Notable",
            "RM",
            "€",
            "(",
            "%",
        ]
    ),
)
SIDE = st.floats(min_value=0, max_value=1)
WORD = st.builds(
    lambda text, x, y, wide, high, confidence, source: Word(text, Box(x, y, x + wide, y + high), confidence, source),
    WORDS, SIDE, SIDE, st.floats(0, 0.3), st.floats(0, 0.1), SIDE, st.sampled_from(["layer", "ocr", "cell", "field"]),
)  # fmt: skip
LINES = st.lists(st.lists(WORD, max_size=6).map(lambda words: Line(tuple(words))), max_size=12)
PAGES = st.lists(LINES, max_size=3).map(
    lambda pages: tuple(Page(number, 595, 842, tuple(lines)) for number, lines in enumerate(pages, 1))
)


@pytest.mark.parametrize("kind", ["payment_receipt", "transcript", "behavior_report", "other"])
@given(pages=PAGES, country=st.sampled_from([None, "DE", "US", "XX"]))
@settings(max_examples=40)
def test_extraction_never_fails(kind: DocumentKind, pages, country):
    finding = extract(Document("application/pdf", pages), kind, Hints(None, country))

    assert isinstance(needs_review(finding, kind), tuple)
    for field in (*finding.fields.values(), *(field for row in finding.rows for field in row.values())):
        assert 0 <= field.confidence <= 1
        assert field.page is None or 1 <= field.page <= len(pages)

"""Find to whom a receipt that is a letter is written: a name that stands apart in its head, without a label."""

import re
from collections.abc import Iterator

from files.domain.finding import Field
from files.extraction.fields import field_at
from files.extraction.folding import fold
from files.extraction.labels import starts_with_label
from files.extraction.layout import Row
from files.extraction.people import looks_like_a_name
from files.extraction.receipts.names import has_suffix
from files.extraction.words import pattern

HEAD_ROWS = 14
APART = 1.2
"""A gap that is wider than this share of the text's height ends a block of rows."""
MAX_ROWS = 5
"""A name and an address have at most this many rows."""
CONFIDENCE = 0.7
TITLE = re.compile(r"(?:mr|mrs|ms|herrn?|frau|familie|monsieur|madame|m|mme|sr|sra|d|dna)")


def find_addressee(rows: list[Row], merchant_row: int) -> Field | None:
    """Return the name that begins a block of its own below the merchant's, if no other text could be meant."""
    found = [name for block in _blocks(rows[:HEAD_ROWS]) if merchant_row not in block and (name := _name(rows, block))]
    return found[0] if len(found) == 1 else None


def _blocks(rows: list[Row]) -> Iterator[range]:
    """Yield the numbers of rows that stand close together."""
    start = 0
    for number in range(1, len(rows) + 1):
        if number == len(rows) or _is_apart(rows[number - 1], rows[number]):
            yield range(start, number)
            start = number


def _is_apart(above: Row, below: Row) -> bool:
    gap = below.box.y0 - above.box.y1
    return below.page != above.page or gap > APART * min(_height(above), _height(below))


def _height(row: Row) -> float:
    return row.box.y1 - row.box.y0


def _name(rows: list[Row], block: range) -> Field | None:
    """Return the name in the first row of a block, or in the second below "Herrn" or "Mrs"."""
    own = [rows[number] for number in block]
    if TITLE.fullmatch(fold(own[0].text)):
        own = own[1:]
    if not 1 <= len(own) <= MAX_ROWS or len(own[0].cells) > 1 or not _is_person(own[0].text):
        return None
    return None if any(":" in row.text for row in own) else field_at(own[0].text, own[0].whole, CONFIDENCE)


def _is_person(text: str) -> bool:
    folded = fold(text)
    other = (pattern(words).search(folded) for words in ("trade", "school", "address", "not_a_name"))
    return looks_like_a_name(text) and not has_suffix(text) and not starts_with_label(text) and not any(other)

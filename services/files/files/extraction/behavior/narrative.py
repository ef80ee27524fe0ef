"""Join the lines of a text that stands below its label."""

from files.domain.finding import Field
from files.extraction.folding import fold_label
from files.extraction.labels import any_field_label, is_label, labels
from files.extraction.layout import Row, around

MAX_LINES = 40


def paragraph_below(rows: list[Row], name: str, after: int | None = None) -> Field | None:
    """Return the lines behind a label, or behind the row `after`, up to the next label."""
    start = after + 1 if after is not None else _row_below_label(rows, name)
    if start is None:
        return None
    lines = []
    for row in rows[start : start + MAX_LINES]:
        if _starts_with_label(row):
            break
        lines.append(row)
    if not lines:
        return None
    same_page = [row for row in lines if row.page == lines[0].page]
    text = " ".join(row.text for row in lines)
    return Field(text, 0.85, lines[0].page, around(row.box for row in same_page), text)


def _row_below_label(rows: list[Row], name: str) -> int | None:
    names = labels("fields", name)
    return next((number + 1 for number, row in enumerate(rows) if fold_label(row.text) in names), None)


def _starts_with_label(row: Row) -> bool:
    first = row.cells[0].text
    head = first.split(":")[0]
    return is_label(first) or (":" in first and fold_label(head) in any_field_label())

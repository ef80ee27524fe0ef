"""Split cells that a reader joined: a subject and its grade, a grade and a comment that are printed narrowly."""

from collections.abc import Iterator

from files.extraction.folding import fold, fold_label
from files.extraction.labels import labels
from files.extraction.layout import SAME_EDGE, Cell, Row
from files.extraction.transcripts.entries import ALIGNED, MIN_ALIGNED, MIN_CAPITALS, TERM, middle
from files.extraction.transcripts.grades import parse_grade

MAX_GRADE_WORDS = 3


def split_joined(rows: list[Row]) -> list[Row]:
    """Return the rows with joined values as cells of their own. They are only values where such values are aligned."""
    places = [cell for row in rows for cell in row.cells if parse_grade(cell.text) is not None]
    places += [tail for row in rows for cell in row.cells if (tail := _tail(cell, number=True)) is not None]
    return [Row(tuple(_split(row, places))) for row in rows]


def _split(row: Row, places: list[Cell]) -> Iterator[Cell]:
    for place, cell in enumerate(_without_label(row)):
        following = row.cells[place + 1 : place + 2]
        has_value = bool(following) and parse_grade(following[0].text) is not None
        for part in _parts(cell, places, number=not has_value):
            yield from _without_comment(part, places)


def _without_label(row: Row) -> Iterator[Cell]:
    """Yield the cells of a row; of "Grade: B+" behind a subject the grade."""
    yield from row.cells[:1]
    for cell in row.cells[1:]:
        size = next((place for place, token in enumerate(cell.tokens, 1) if token.text.endswith(":")), 0)
        label = fold_label(" ".join(token.text for token in cell.tokens[:size]))
        value = Cell(cell.tokens[size:])
        named = label in labels("columns", "grade") and size < len(cell.tokens)
        yield value if named and parse_grade(value.text) is not None else cell


def _parts(cell: Cell, places: list[Cell], *, number: bool) -> list[Cell]:
    """Return a cell without its last values, then those. `number`: a last number is a value, no part of the name."""
    words = [Cell((token,)) for token in cell.tokens]
    if len(words) > 1 and all(parse_grade(word.text) or TERM.fullmatch(fold(word.text)) for word in words):
        return [cell] if parse_grade(cell.text) is not None else words
    tail = _tail(cell, number=number)
    if tail is None:
        return [cell]
    if parse_grade(tail.text) is not None and not _is_aligned(tail, places):
        return [cell]
    return [*_parts(Cell(cell.tokens[:-1]), places, number=False), tail]


def _tail(cell: Cell, *, number: bool) -> Cell | None:
    """Return the last word of a cell if it is a grade or a term. "Algebra I" and "Gender: F" have none."""
    if len(cell.tokens) < MIN_CAPITALS or parse_grade(cell.text) is not None:
        return None
    last, before = cell.tokens[-1], cell.tokens[-2]
    grade = parse_grade(last.text)
    if grade is None:
        is_term = TERM.fullmatch(fold(last.text)) is not None and not last.text.endswith(".")
        return Cell((last,)) if is_term and len(cell.tokens) > MIN_CAPITALS else None
    if before.text.endswith(":") or last.text in {"I", "S"} or (grade.type == "number" and not number):
        return None
    return Cell((last,))


def _without_comment(cell: Cell, places: list[Cell]) -> Iterator[Cell]:
    """Yield the grade that a cell begins with apart from the comment that follows it."""
    if parse_grade(cell.text) is None:
        for size in range(min(MAX_GRADE_WORDS, len(cell.tokens) - 1), 0, -1):
            grade = Cell(cell.tokens[:size])
            explained = cell.tokens[size].text.startswith("=")
            if not explained and parse_grade(grade.text) is not None and _is_aligned(grade, places):
                yield grade
                yield Cell(cell.tokens[size:])
                return
    yield cell


def _is_aligned(cell: Cell, places: list[Cell]) -> bool:
    """Return whether enough values stand above or below a text: centred with it, or with the same left edge."""
    return (
        sum(
            abs(middle(cell) - middle(other)) < ALIGNED or abs(cell.box.x0 - other.box.x0) < SAME_EDGE
            for other in places
        )
        >= MIN_ALIGNED
    )

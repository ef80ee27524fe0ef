"""Choose the grade of each subject among the values beside it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from files.extraction.folding import fold_label, trim
from files.extraction.labels import labels
from files.extraction.layout import Cell, Row
from files.extraction.transcripts.grades import parse_grade
from files.extraction.transcripts.table import Block, Column, Entry, Value, blocks_of, entries_of, with_trailing_values

MIN_ENTRIES = 2
MAX_SUBJECT_WORDS = 10
SURE_TYPES = ("letter", "word", "percent", "fraction")
MAX_CREDITS = Decimal(30)


@dataclass(frozen=True, slots=True)
class SubjectGrade:
    """One row of a report: a subject, its grade and perhaps its credits."""

    subject: Cell
    name: str
    value: Value
    credits: Value | None
    confidence: float


def find_subjects(rows: list[Row]) -> list[SubjectGrade]:
    """Return the subjects with their grades in the order of the document."""
    split = with_trailing_values(rows)
    entries = [entry for entry in entries_of(split) if not _is_excluded(trim(entry.subject.text))]
    blocks = [block for block in blocks_of(split, entries) if block.header not in labels("columns", "comment")]
    strongest = _strongest_type(blocks)
    found = [
        (entry.row, subject)
        for block in blocks
        for entry, subject in _of_block(block, strongest, whole_page=len(blocks) == 1)
    ]
    return [subject for _, subject in sorted(found, key=lambda pair: pair[0])]


def _is_excluded(name: str) -> bool:
    folded = fold_label(name)
    if folded in labels("columns", "not_subject") or parse_grade(name) is not None or ":" in name.rstrip(":")[-1:]:
        return True
    return len(folded.split()) > MAX_SUBJECT_WORDS or name.endswith(":")


def _strongest_type(blocks: list[Block]) -> str:
    """Return "sure" if most rows of the document have a grade that is no plain number."""
    rows: Counter[bool] = Counter()
    for block in blocks:
        for entry in block.entries:
            rows[any(value.grade.type in SURE_TYPES for value in entry.values)] += 1
    return "sure" if rows[True] >= max(1, rows[False]) else "number"


def _of_block(block: Block, strongest: str, *, whole_page: bool) -> Iterator[tuple[Entry, SubjectGrade]]:
    grades = grade_columns(block, strongest)
    has_header = any(column.header for column in grades)
    if not grades or (len(block.entries) < MIN_ENTRIES and not has_header and not whole_page):
        return
    credit = next((c for c in block.columns if c not in grades and _is_credits(c)), None)
    confidence = 0.96 if has_header else 0.9
    for entry in block.entries:
        for value in _chosen(entry, grades):
            earned = credit.values.get(entry.row) if credit is not None else None
            name = trim(entry.subject.text)
            yield entry, SubjectGrade(entry.subject, name, value, earned, confidence)


def grade_columns(block: Block, strongest: str) -> list[Column]:
    """Return the columns of a block that hold grades; letters and words before numbers."""
    usable = [column for column in block.columns if not _is_other(column)]
    sure = [column for column in usable if column.type in SURE_TYPES]
    if sure:
        return _final_or_all(sure)
    if strongest == "sure":
        return []
    numbers = [column for column in usable if not _is_credits(column)]
    headed = [column for column in numbers if column.header in labels("columns", "grade")]
    varied = [column for column in numbers if not _is_constant(column)]
    return _final_or_all(headed or varied or numbers)


def _final_or_all(columns: list[Column]) -> list[Column]:
    """Return the column of final grades, the last of several terms, or all if each is another year."""
    final = [column for column in columns if column.header in labels("columns", "final")]
    if final and len(columns) > 1:
        full = max(len(column.values) for column in columns)
        if len(final[-1].values) * 2 >= full:
            return [final[-1]]
    return columns


def _chosen(entry: Entry, columns: list[Column]) -> list[Value]:
    values = [(column, column.values[entry.row]) for column in columns if entry.row in column.values]
    if len(values) > 1 and any(column.header in labels("columns", "term") for column, _ in values):
        return [values[-1][1]]
    same_kind = {column.header for column, _ in values}
    return [value for _, value in values] if len(same_kind) == len(values) or len(values) == 1 else [values[-1][1]]


def _is_other(column: Column) -> bool:
    if column.header in labels("columns", "credits"):
        return True
    names = labels("columns", "other")
    return column.header in names and column.header not in labels("columns", "final")


def _is_credits(column: Column) -> bool:
    """Tell whether a column of numbers is credits: few small values in steps of a quarter, or its header says so."""
    if column.header in labels("columns", "credits"):
        return True
    if column.header in labels("columns", "grade"):
        return False
    numbers = [value.grade.number for value in column.values.values() if value.grade.number is not None]
    if not numbers or any((number * 4) % 1 or number > MAX_CREDITS for number in numbers):
        return False
    return any("." in v.grade.text or "," in v.grade.text for v in column.values.values()) and len(set(numbers)) <= 3  # noqa: PLR2004


def _is_constant(column: Column) -> bool:
    texts = {value.grade.text for value in column.values.values()}
    return len(column.values) > 2 and len(texts) == 1  # noqa: PLR2004

"""Choose the grade of each subject among the values beside it."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from files.extraction.folding import fold_label, trim
from files.extraction.labels import labels
from files.extraction.layout import Cell, Row
from files.extraction.transcripts.entries import Entry, Value, entries_of, subject_name
from files.extraction.transcripts.grades import is_same_grade, parse_grade
from files.extraction.transcripts.joined import split_joined
from files.extraction.transcripts.missing import without_grade
from files.extraction.transcripts.table import Block, Column, blocks_of
from files.extraction.transcripts.wrapped import between_lines, join_wrapped
from files.extraction.words import pattern

MIN_ENTRIES = 2
MIN_SCALE = 3
MAX_SUBJECT_WORDS = 10
YEAR_LEVEL = re.compile(
    r"^(?:\d{1,2}(?:st|nd|rd|th|o|e|er)?|i{1,3}|iv|v|primer|primero|segundo|tercer|tercero|cuarto"
    r"|first|second|third|freshman)"
    r" ?(?:de )?(?:eso|bach|bachillerato|grade|year|curso|klasse|primaria)"
    r"|^(?:19|20)\d\d \d\d|^(?:grade|year|klasse|curso) \d"
)
"""Headers of columns that are years: each of their grades is a row of its own."""
FINAL = re.compile(r"\b(?:final|finale|average|avg|prom|promedio|definitiva|overall)\b")
SURE_TYPES = ("letter", "word", "percent", "fraction")
MAX_CREDITS = Decimal(6)


@dataclass(frozen=True, slots=True)
class SubjectGrade:
    """One row of a report: a subject, its grade and perhaps its credits."""

    subject: Cell
    name: str
    value: Value
    credits: Value | None
    confidence: float


@dataclass(frozen=True, slots=True)
class Subjects:
    """The subjects with a grade in the order of the document, and those whose grade was not read."""

    graded: list[SubjectGrade]
    without_grade: list[Cell]


def find_subjects(rows: list[Row]) -> Subjects:
    """Return the subjects of a report."""
    split = split_joined(rows)
    entries = [entry for entry in entries_of(split) if not _is_excluded(entry.subject.text)]
    entries = sorted([*entries, *between_lines(split, entries)], key=lambda entry: entry.row)
    entries = _without_form_fields(entries)
    join_wrapped(split, entries)
    blocks = [block for block in blocks_of(split, entries) if block.header not in labels("columns", "comment")]
    strongest = _strongest_type(blocks)
    found: list[tuple[int, SubjectGrade]] = []
    lost: list[Cell] = []
    for block in blocks:
        own = [(e.row, subject) for e, subject in _of_block(split, block, strongest, whole_page=len(blocks) == 1)]
        found += own
        lost += without_grade(split, block, {row for row, _ in own}) if own else []
    return Subjects([subject for _, subject in sorted(found, key=lambda pair: pair[0])], lost)


def _without_form_fields(entries: list[Entry]) -> list[Entry]:
    """Leave out "Conduct: good", unless the report writes most subjects with a colon."""
    plain = [entry for entry in entries if not entry.subject.text.rstrip().endswith(":")]
    return plain if len(plain) * 2 > len(entries) else entries


def _is_excluded(text: str) -> bool:
    name = trim(text)
    folded = fold_label(name)
    return (
        folded in labels("columns", "not_subject")
        or pattern("attendance").search(folded) is not None
        or parse_grade(name) is not None
        or len(folded.split()) > MAX_SUBJECT_WORDS
    )


def _strongest_type(blocks: list[Block]) -> str:
    """Return "sure" if most rows of the document have a grade that is no plain number."""
    rows: Counter[bool] = Counter()
    for block in blocks:
        for entry in block.entries:
            rows[any(value.grade.type in SURE_TYPES for value in entry.values)] += 1
    return "sure" if rows[True] >= max(1, rows[False]) else "number"


def _of_block(
    rows: list[Row], block: Block, strongest: str, *, whole_page: bool
) -> Iterator[tuple[Entry, SubjectGrade]]:
    grades = grade_columns(block, strongest)
    has_header = any(column.header for column in grades)
    if not grades or (len(block.entries) < MIN_ENTRIES and not has_header and not whole_page):
        return
    credit = next((c for c in block.columns if c not in grades and _is_credits(c)), None)
    confidence = 0.96 if has_header else 0.9
    for entry in block.entries:
        if _is_unread(rows[entry.row], entry, grades[-1]):
            continue
        for value in _chosen(entry, grades):
            earned = credit.values.get(entry.row) if credit is not None else None
            name = subject_name(entry.subject)
            yield entry, SubjectGrade(entry.subject, name, value, earned, confidence)


def grade_columns(block: Block, strongest: str) -> list[Column]:
    """Return the columns of a block that hold grades; letters before words before plain numbers.

    A number counts before a word that only repeats it ("9 Sobresaliente").
    """
    usable = [column for column in block.columns if not _is_other(column)]
    letters = [column for column in usable if column.type == "letter" and _has_school_letters(column)]
    letters = [column for column in letters if len(letters) == 1 or not _is_scale(column)]
    words = [column for column in usable if column.type in SURE_TYPES]
    numbers = _number_columns(usable)
    if letters:
        return _final_or_all(letters)
    if words and numbers and _repeats(numbers[-1], words[0]):
        return _final_or_all(numbers)
    if words:
        return _final_or_all(words)
    return [] if strongest == "sure" else _final_or_all(numbers)


def _number_columns(usable: list[Column]) -> list[Column]:
    numbers = [column for column in usable if column.type == "number" and not _is_credits(column)]
    names = (*labels("columns", "grade"), *labels("columns", "term"))
    headed = [column for column in numbers if column.header in names or is_final(column.header)]
    headed = headed or [column for column in numbers if column.header in labels("columns", "points")]
    varied = [column for column in numbers if not _is_constant(column)]
    return headed or varied or numbers


def _is_scale(column: Column) -> bool:
    """Return whether a column beside the grades lists the letters in order: it explains them."""
    texts = [column.values[row].grade.text for row in sorted(column.values)]
    if column.header in (*labels("columns", "grade"), *labels("columns", "final"), *labels("columns", "term")):
        return False
    return len(texts) >= MIN_SCALE and texts == sorted(set(texts), key=_rank)


def _rank(letter: str) -> tuple[str, int]:
    return letter[0], {"+": 0, "": 1, "-": 2}.get(letter[1:], 1)


def _has_school_letters(column: Column) -> bool:
    """Return whether most letters of a column are grades from A to F and not codes of levels (H, P, S)."""
    texts = [value.grade.text for value in column.values.values()]
    return sum(text[0] in "ABCDEF" for text in texts) * 2 > len(texts)


def _repeats(numbers: Column, words: Column) -> bool:
    both = [(numbers.values[row].grade, words.values[row].grade) for row in numbers.values if row in words.values]
    agreeing = sum(is_same_grade(number, word) for number, word in both)
    headed = numbers.header in (*labels("columns", "grade"), *labels("columns", "final"), *labels("columns", "term"))
    return headed or (len(both) > 0 and agreeing * 5 >= len(both) * 4)


def is_final(header: str) -> bool:
    """Return whether a header names the grade of the year: "Final avg", "Prom. final". That of the class is another."""
    return header in labels("columns", "final") or (
        header not in labels("columns", "other") and FINAL.search(header) is not None
    )


def _final_or_all(columns: list[Column]) -> list[Column]:
    """Return the column of final grades, the last of several terms, or all if each is another year."""
    final = [column for column in columns if is_final(column.header)]
    if final and len(columns) > 1:
        full = max(len(column.values) for column in columns)
        if len(final[-1].values) * 2 >= full:
            return [final[-1]]
    return columns


def _is_unread(row: Row, entry: Entry, last: Column) -> bool:
    """Return whether the last column of grades has a text that is no grade: an earlier grade does not replace it."""
    if entry.row in last.values:
        return False
    right = max(value.cell.box.x1 for value in last.values.values())
    used = {id(value.cell) for value in entry.values}
    return any(
        min(right, cell.box.x1) > max(last.left, cell.box.x0) and id(cell) not in used and trim(cell.text) != ""
        for cell in row.cells
        if cell.box.x0 > entry.subject.box.x1
    )


def _chosen(entry: Entry, columns: list[Column]) -> list[Value]:
    """Return the grade of an entry: the last of several terms, or one for each year if the columns are years."""
    values = [(column, column.values[entry.row]) for column in columns if entry.row in column.values]
    if len(values) > 1 and all(YEAR_LEVEL.search(column.header) for column, _ in values):
        return [value for _, value in values]
    return [value for _, value in values[-1:]]


def _is_other(column: Column) -> bool:
    if column.header in (*labels("columns", "credits"), *labels("columns", "comment"), *labels("columns", "beside")):
        return True
    names = labels("columns", "other")
    return column.header in names and not is_final(column.header)


def _is_credits(column: Column) -> bool:
    """Return whether a column of numbers is credits: few small values in steps of a quarter, or its header says so."""
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

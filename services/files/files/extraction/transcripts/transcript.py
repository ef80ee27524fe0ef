"""Read school reports into fields and rows."""

import re
from decimal import Decimal

from files.domain.document import Document
from files.domain.finding import Field, Finding, Hints
from files.extraction.amounts import normalise
from files.extraction.fields import field_at
from files.extraction.folding import fold, trim
from files.extraction.labels import Labelled, find_labelled, first_text, is_label
from files.extraction.layout import Row, rows_of
from files.extraction.people import looks_like_a_name, student_number_of, student_of
from files.extraction.transcripts.entries import is_header_row
from files.extraction.transcripts.gpa import agrees
from files.extraction.transcripts.subjects import SubjectGrade, find_subjects
from files.extraction.words import pattern

YEARS = re.compile(
    r"(?i:spring|summer|autumn|fall|winter|(?:term|semester|trimester|quarter) \d)(?:,| of)? (?:19|20)\d\d"
    r"|(?:19|20)\d\d\s?[-/–]\s?(?:(?:19|20)\d\d|\d\d)(?!\d)"
)
PERIOD_WORDS = re.compile(
    r"(?i:curso|school year|academic year|schuljahr|schooljaar|ann[ée]e scolaire|a[ñn]o \w+|anno scolastico)"
    rf"\s+(?:{YEARS.pattern})"
)
TERM_BEHIND = re.compile(
    r"(?i:(?:, ?| )(?:\d\.? ?[\u00aa\u00ba]? )?(?:(?:evaluaci[óo]n|trimestre|semestre|term|semester)(?: \d)?|final)\b)"
)
MAX_PERIOD_WORDS = 6
HEAD_ROWS = 25
MAX_SCHOOL_WORDS = 8
BELOW_A_LABEL = 0.75


def read_transcript(document: Document, hints: Hints) -> Finding:
    """Return student, school, period and the grades of a school report."""
    del hints
    rows = rows_of(document)
    found = find_subjects(rows)
    subjects = found.graded
    fields: dict[str, Field] = {}
    reasons: list[str] = []
    _read_people(rows, subjects, fields)
    _read_period(rows, fields)
    _read_figures(rows, subjects, fields, reasons)
    if not subjects:
        reasons.append("no_rows")
    if found.without_grade:
        reasons.append("missing_grade")
    return Finding("transcript", fields, tuple(_row(subject) for subject in subjects), tuple(reasons))


def _row(found: SubjectGrade) -> dict[str, Field]:
    row = {
        "subject": field_at(found.name, found.subject, found.confidence),
        "grade": field_at(found.value.grade.text, found.value.cell, found.confidence),
    }
    if found.credits is not None:
        row["credits"] = field_at(found.credits.grade.text.replace(",", "."), found.credits.cell, found.confidence)
    return row


def _read_people(rows: list[Row], subjects: list[SubjectGrade], fields: dict[str, Field]) -> None:
    student = student_of(rows, {subject.name for subject in subjects}) or _name_in_head(rows, subjects)
    if student is not None:
        fields["student"] = student
    number = student_number_of(rows)
    if number is not None:
        fields["student_number"] = number
    school = _school(rows)
    if school is not None:
        fields["school"] = school


def _name_in_head(rows: list[Row], subjects: list[SubjectGrade]) -> Field | None:
    """Return a person's name that stands alone near the top; it is surer if it stands in the document again."""
    taken = {subject.name for subject in subjects}
    everything = " ".join(row.text for row in rows)
    for row in rows[:HEAD_ROWS]:
        for cell in row.cells:
            text = trim(cell.text)
            if text not in taken and looks_like_a_name(text) and not _is_other_text(fold(text)):
                return field_at(text, cell, 0.82 if everything.count(text) > 1 else 0.6)
    return None


def _is_other_text(folded: str) -> bool:
    return bool(pattern("school").search(folded) or pattern("address").search(folded)) or _is_title(folded)


def _is_title(text: str) -> bool:
    return bool(
        re.search(
            r"\b(?:transcript|report|card|official|record|zeugnis|bulletin|boletin|certificacion|certificado|expediente|academico|calificaciones|informe|permanent|academic|pagella|rapport|year|grade|course|semester|curso|subject|credit|scale|summary|notes?|page)\b",
            fold(text),
        )
    )


def _school(rows: list[Row]) -> Field | None:
    labelled = first_text(
        hit
        for hit in find_labelled(rows, "school")
        if len(hit.text.split()) > 1 and not re.match(r"^\d", hit.text) and hit.strength > BELOW_A_LABEL
    )
    for row in rows:
        for cell in row.cells:
            text = trim(cell.text)
            if (
                pattern("school").search(fold(text))
                and len(text.split()) <= MAX_SCHOOL_WORDS
                and not is_label(text)
                and ":" not in text
                and not _is_title(text)
            ):
                return field_at(text, cell, 0.9)
    return None if labelled is None else field_at(labelled.text, labelled.value, 0.9 * labelled.strength)


def _read_period(rows: list[Row], fields: dict[str, Field]) -> None:
    """Put the school year with the term that stands beside it; of several years the last."""
    labelled = first_text(hit for hit in find_labelled(rows, "period") if re.search(r"(?:19|20)\d\d", hit.text))
    cells = [cell for row in rows for cell in row.cells if YEARS.search(cell.text)]
    if cells and (labelled is None or not YEARS.search(labelled.text) or labelled.value not in cells):
        cell = cells[-1]
        text = _period_in(cell.text)
        start = cell.text.find(text)
        fields["period"] = field_at(text, cell.part(start, start + len(text)), 0.9)
    elif labelled is not None:
        sure = 0.9 if YEARS.search(labelled.text) else 0.9 * labelled.strength
        fields["period"] = field_at(labelled.text, labelled.value, sure)


def _period_in(text: str) -> str:
    """Return the years with the words that belong to them: "Curso 2025-2026, final" of "Boletín – Curso …"."""
    part = next(part for part in re.split(r"\s[-–·|]\s|:\s", text) if YEARS.search(part))
    years = PERIOD_WORDS.search(part) or YEARS.search(part)
    if years is None or len(part.split()) > MAX_PERIOD_WORDS:
        term = TERM_BEHIND.match(part, years.end()) if years else None
        return part[years.start() : (term or years).end()].strip() if years else part
    return part[years.start() :].strip()


def _read_figures(rows: list[Row], subjects: list[SubjectGrade], fields: dict[str, Field], reasons: list[str]) -> None:
    for name in ("gpa", "credits"):
        hit = next((hit for hit in find_labelled(rows, name) if _is_figure(hit, rows)), None)
        match = re.match(r"\d{1,3}(?:[.,]\d{1,3})?", normalise(hit.text)) if hit is not None else None
        if hit is not None and match is not None:
            fields[name] = field_at(match[0].replace(",", "."), hit.value, 0.9 * hit.strength)
    printed = {hit.text for hit in find_labelled(rows, "gpa") if _is_figure(hit, rows)}
    if "gpa" in fields and len(printed) == 1:
        agreed = agrees(Decimal(fields["gpa"].value), subjects)
        if agreed is False:
            reasons.append("gpa_mismatch")


def _is_figure(hit: Labelled, rows: list[Row]) -> bool:
    """Return whether a number stands behind a label that is no header of a column of grades."""
    return re.match(r"\d", hit.text) is not None and not is_header_row(rows[hit.row])

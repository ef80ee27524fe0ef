"""Read behaviour reports into fields."""

from files.domain.document import Document
from files.domain.finding import Field, Finding, Hints
from files.extraction.behavior.lexicon import Evidence, classify, classify_action, classify_severity
from files.extraction.behavior.narrative import paragraph_below
from files.extraction.dates import is_doubtful, order_of_country
from files.extraction.fields import field_at
from files.extraction.labels import Labelled, find_labelled, first_text
from files.extraction.layout import Cell, Row, rows_of
from files.extraction.origin import country_of
from files.extraction.people import clean_name, student_number_of, student_of, students_in
from files.extraction.receipts.issued import choose_date

UNCLASSIFIED = "unclassified"


def read_behavior_report(document: Document, hints: Hints) -> Finding:
    """Return student, date, reporter and what happened, classified by a lexicon with its evidence."""
    rows = rows_of(document)
    fields: dict[str, Field] = {}
    reasons: list[str] = []
    _read_people(rows, fields, reasons)
    _read_date(rows, hints, fields, reasons)
    description = _description(rows)
    if description is not None:
        fields["description"] = description
    _read_category(rows, description, fields, reasons)
    _read_severity(rows, fields)
    _read_action(rows, fields)
    return Finding("behavior_report", fields, (), tuple(reasons))


def _read_people(rows: list[Row], fields: dict[str, Field], reasons: list[str]) -> None:
    student = student_of(rows)
    if student is not None:
        fields["student"] = student
    if len(students_in(rows)) > 1:
        reasons.append("several_students")
    number = student_number_of(rows)
    if number is not None:
        fields["student_number"] = number
    reporter = first_text(hit for hit in find_labelled(rows, "reporter") if any(c.isalpha() for c in hit.text))
    if reporter is not None:
        fields["reporter"] = field_at(clean_name(reporter.text), reporter.value, 0.95 * reporter.strength)


def _read_date(rows: list[Row], hints: Hints, fields: dict[str, Field], reasons: list[str]) -> None:
    order = order_of_country(hints.country) or order_of_country(country_of(rows))
    chosen = choose_date(rows, order, "incident_date")
    if chosen is None:
        return
    fields["date"] = field_at(chosen.date.value.isoformat(), chosen.cell, chosen.confidence)
    if chosen.date.ambiguous:
        reasons.append("ambiguous_date")
    if is_doubtful(chosen.date.value, hints.uploaded_on):
        reasons.append("doubtful_date")


def _description(rows: list[Row]) -> Field | None:
    hit = first_text(hit for hit in find_labelled(rows, "description") if len(hit.text.split()) > 2)  # noqa: PLR2004
    if hit is not None:
        return _whole_paragraph(rows, hit)
    return paragraph_below(rows, "description")


def _whole_paragraph(rows: list[Row], hit: Labelled) -> Field:
    below = paragraph_below(rows, "description", after=hit.row)
    if below is not None and below.value.startswith(hit.text):
        return below
    text = hit.text if below is None else f"{hit.text} {below.value}"
    return field_at(text, hit.value, 0.9)


def _read_category(rows: list[Row], description: Field | None, fields: dict[str, Field], reasons: list[str]) -> None:
    """Put the category with the words that led to it: those behind its label count, else the description's."""
    labelled = first_text(find_labelled(rows, "category"))
    if labelled is not None and (evidence := classify(labelled.text)) is not None:
        fields["category"] = _classified(evidence, labelled.value, 0.95)
        return
    if description is not None and (evidence := classify(description.value)) is not None:
        confidence = 0.55 if evidence.others else 0.85 if len(evidence.words) > 1 else 0.75
        fields["category"] = Field(
            evidence.name, confidence, description.page, description.box, "; ".join(evidence.words)
        )
        return
    fields["category"] = Field(UNCLASSIFIED, 0.0, text=labelled.text if labelled is not None else "")
    reasons.append("unclassified")


def _read_severity(rows: list[Row], fields: dict[str, Field]) -> None:
    labelled = first_text(find_labelled(rows, "severity"))
    if labelled is None:
        return
    evidence = classify_severity(labelled.text)
    if evidence is not None:
        fields["severity"] = _classified(evidence, labelled.value, 0.95)


def _read_action(rows: list[Row], fields: dict[str, Field]) -> None:
    labelled = first_text(find_labelled(rows, "action"))
    if labelled is not None:
        fields["action"] = field_at(labelled.text, labelled.value, 0.9 * labelled.strength)
        evidence = classify_action(labelled.text)
        if evidence is not None:
            fields["action_kind"] = _classified(evidence, labelled.value, 0.9)


def _classified(evidence: Evidence, cell: Cell, confidence: float) -> Field:
    if evidence.others:
        confidence = 0.6
    place = field_at(evidence.name, cell, confidence)
    return Field(place.value, place.confidence, place.page, place.box, "; ".join(evidence.words))

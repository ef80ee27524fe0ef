"""Recompute an average from the rows: plain or weighted by credits, of letters or of numbers."""

from collections.abc import Iterator
from decimal import Decimal

from files.extraction.transcripts.grades import points
from files.extraction.transcripts.subjects import SubjectGrade

TOLERANCE = Decimal("0.06")
BEST_LETTER = Decimal("0.3")
"""Some schools give 4.3 points for an A+."""


def agrees(printed: Decimal, subjects: list[SubjectGrade]) -> bool | None:
    """Return whether the printed average follows from the grades, or None if they have no numbers."""
    averages = list(_averages(subjects))
    if not averages:
        return None
    return any(abs(average - printed) <= TOLERANCE for average in averages)


def _averages(subjects: list[SubjectGrade]) -> Iterator[Decimal]:
    for bonus in (Decimal(0), BEST_LETTER):
        weighted = [(value, _credits(subject)) for subject in subjects if (value := _value(subject, bonus)) is not None]
        if not weighted:
            return
        yield sum((value for value, _ in weighted), Decimal(0)) / len(weighted)
        total = sum((weight for _, weight in weighted), Decimal(0))
        if total > 0:
            yield sum((value * weight for value, weight in weighted), Decimal(0)) / total


def _value(subject: SubjectGrade, bonus: Decimal) -> Decimal | None:
    grade = subject.value.grade
    if grade.number is not None:
        return grade.number
    value = points(grade)
    return value + bonus if value is not None and grade.text == "A+" else value


def _credits(subject: SubjectGrade) -> Decimal:
    number = subject.credits.grade.number if subject.credits is not None else None
    return number if number is not None else Decimal(1)

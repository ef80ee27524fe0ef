"""Compare what was read with the truth: characters, fields, rows, and what was wrong without a doubt."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from rapidfuzz.distance import Levenshtein

from files.domain.finding import Finding
from tests.corpus.cases import Case

DASHES = str.maketrans("\u2013\u2014\u2212\u2010\u2019\u2018", "----''")
"""Kinds of dash and of apostrophe that look the same on paper."""

LEADERS = re.compile(r"\.{4,}")
"""Dots from a text to the amount at the edge: a line that is drawn with them, not text."""
NUMBERS = frozenset({"amount", "gpa"})


@dataclass(slots=True)
class Score:
    """Sums over documents; the rates are fractions (0 to 1), and 1 or 0 where nothing was to be found."""

    documents: int = 0
    characters: int = 0
    wrong_characters: int = 0
    fields: int = 0
    right_fields: int = 0
    rows: int = 0
    found_rows: int = 0
    right_rows: int = 0
    accepted: int = 0
    wrong_but_accepted: int = 0
    mistakes: list[str] = field(default_factory=list)

    def add(self, case: Case, found: Finding | None, *, needs_review: bool) -> None:
        """Count the fields and rows of one document. A refused one has no finding: all of it is missing."""
        finding = found or Finding(case.kind)
        self.documents += 1
        wrong, missing = [], []
        for name, truth in case.fields.items():
            read = _value(finding, name)
            if read is None:
                missing.append(f"{case.name}: {name} is {truth!r}, not found")
            elif not same(name, truth, read):
                wrong.append(f"{case.name}: {name} is {truth!r}, read as {read!r}")
        self.fields += len(case.fields)
        self.right_fields += len(case.fields) - len(wrong) - len(missing)
        wrong += self._add_rows(case, finding)
        self.accepted += not needs_review
        self.wrong_but_accepted += bool(wrong) and not needs_review
        self.mistakes += [f"{mistake}{'' if needs_review else ' (accepted)'}" for mistake in wrong + missing]

    def _add_rows(self, case: Case, finding: Finding) -> list[str]:
        if case.kind != "transcript":
            return []
        truth = Counter(_row(subject, grade) for subject, grade in case.rows)
        found = Counter(
            _row(row["subject"].value, row["grade"].value) for row in finding.rows if {"subject", "grade"} <= row.keys()
        )
        self.rows += truth.total()
        self.found_rows += len(finding.rows)
        self.right_rows += (truth & found).total()
        return [f"{case.name}: row {row} is missing" for row in truth - found] + [
            f"{case.name}: row {row} is not on the page" for row in found - truth
        ]

    def add_text(self, case: Case, truth: Iterable[str], read: Iterable[str]) -> None:
        """Count the characters that were read wrongly, without spaces and leaders: words may be split differently."""
        wanted, got = _characters(truth), _characters(read)
        self.characters += len(wanted)
        wrong = Levenshtein.distance(wanted, got)
        self.wrong_characters += wrong
        if wrong > len(wanted) / 50:
            self.mistakes.append(f"{case.name}: {wrong} of {len(wanted)} characters are wrong")

    @property
    def character_error(self) -> float:
        return self.wrong_characters / max(self.characters, 1)

    @property
    def field_accuracy(self) -> float:
        return self.right_fields / self.fields if self.fields else 1.0

    @property
    def row_recall(self) -> float:
        return self.right_rows / self.rows if self.rows else 1.0

    @property
    def row_precision(self) -> float:
        return self.right_rows / self.found_rows if self.found_rows else float(self.rows == 0)

    @property
    def wrong_but_accepted_rate(self) -> float:
        """Documents with a wrong value, or a wrong or missing row, that no person would see: of all documents."""
        return self.wrong_but_accepted / max(self.documents, 1)

    @property
    def accepted_rate(self) -> float:
        return self.accepted / max(self.documents, 1)


def same(name: str, truth: str, read: str) -> bool:
    """Whether a field was read rightly: numbers by value, texts without regard to case, spaces and kind of dash."""
    if name in NUMBERS:
        try:
            return Decimal(read) == Decimal(truth.replace(",", "."))
        except InvalidOperation:
            return False
    return _folded(read) == _folded(truth)


def _value(finding: Finding, name: str) -> str | None:
    found = finding.fields.get(name)
    return found.value if found and found.value else None


def _row(subject: str, grade: str) -> tuple[str, str]:
    number = grade.replace(",", ".")
    return _folded(subject), number if re.fullmatch(r"\d+(\.\d+)?", number) else _folded(grade)


def _folded(text: str) -> str:
    return "".join(unicodedata.normalize("NFC", text).translate(DASHES).casefold().split())


def _characters(lines: Iterable[str]) -> str:
    text = "".join("".join(lines).translate(DASHES).split())
    return LEADERS.sub("", text)

"""Recognise grades: letters with signs, numbers, percentages, words and codes of several countries."""

import re
import tomllib
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Literal

from files.extraction.amounts import normalise
from files.extraction.folding import fold, trim

GradeType = Literal["letter", "word", "percent", "fraction", "number"]

LETTER = re.compile(r"[A-F](?:\s?[+-]|\*)?|[EUFSPNIW]|A\*")
NUMBER = re.compile(r"\d{1,3}(?:[.,]\d{1,2})?|\d[+-]")
PERCENT = re.compile(r"\d{1,3}(?:[.,]\d{1,2})?\s?%")
FRACTION = re.compile(r"\d{1,3}(?:[.,]\d{1,2})?\s?/\s?(?:4|5|6|10|15|20|100)")
JOINED = re.compile(r"^([A-Za-z]{2})(\d{1,2})$")
"""A code and its number, whose space OCR has dropped: "BI6"."""
HIGHEST = 100
SCALE_RANGE = re.compile(
    r"(?<![\d/.-])\d{1,3}(?:[.,]\d+)?\s?%?\s?(?:[-–]|to|a|bis)\s?\d{1,3}(?:[.,]\d+)?\s?%?(?![\d/-])|[<>≥≤]\s?\d{1,3}"
)
POINTS = {"A": "4.0", "B": "3.0", "C": "2.0", "D": "1.0", "E": "0.0", "F": "0.0", "U": "0.0"}
SIGN_POINTS = Decimal("0.3")


@dataclass(frozen=True, slots=True)
class Grade:
    """A grade as printed, its type, and its number if it has one."""

    text: str
    type: GradeType
    number: Decimal | None = None


@cache
def _lexicon() -> dict[str, frozenset[str]]:
    data = tomllib.loads(
        resources.files("files.extraction.transcripts").joinpath("grades.toml").read_text(encoding="utf-8")
    )
    return {name: frozenset(values) for name, values in data.items()}


def parse_grade(text: str) -> Grade | None:
    """Return the grade that a whole cell is, or None. "9 (Notable)" is 9, and "A (95)" is A."""
    spelled = normalise(text).strip().lstrip("|:;*").rstrip("|:;").strip()
    if not spelled or len(spelled) > 40:  # noqa: PLR2004
        return None
    return _simple(spelled) or _combined(JOINED.sub(r"\1 \2", spelled))


def points(grade: Grade) -> Decimal | None:
    """Return a letter's points on the scale of 4."""
    base = POINTS.get(grade.text[0].upper()) if grade.type == "letter" else None
    if base is None:
        return None
    value = Decimal(base)
    if grade.text.endswith("+") and grade.text[0] not in "AF":
        value += SIGN_POINTS
    if grade.text.endswith("-") and value > 0:
        value -= SIGN_POINTS
    return value


def _simple(text: str) -> Grade | None:
    joined = text.replace(" ", "")
    if LETTER.fullmatch(text):
        return Grade(joined, "letter")
    if (PERCENT.fullmatch(text) or FRACTION.fullmatch(text) or NUMBER.fullmatch(text)) is not None:
        return _number(joined)
    folded = fold(text)
    is_word = folded in _lexicon()["words"] or (folded in _lexicon()["codes"] and text.isupper())
    return Grade(trim(text), "word") if is_word else None


def _number(text: str) -> Grade | None:
    number = Decimal(re.split(r"[/%+-]", text)[0].replace(",", "."))
    kind: GradeType = "percent" if "%" in text else "fraction" if "/" in text else "number"
    return Grade(text, kind, number) if number <= HIGHEST else None


def _combined(text: str) -> Grade | None:
    match = re.fullmatch(
        r"(?P<a>[^()\s-]+(?:\s[^()\d\s-]+)*?)\s?(?:\((?P<b>[^()]+)\)|-\s?(?P<c>.+)|\s(?P<d>\S.*))", text
    )
    if match is None:
        return None
    first, second = _simple(match["a"].strip()), _simple((match["b"] or match["c"] or match["d"]).strip())
    if first is None or second is None or first.type == second.type:
        return None
    types = {first.type: first, second.type: second}
    if "letter" in types:
        return types["letter"]
    return first if first.number is not None else second


SPANISH_SCALE = (
    (0, 5, {"insuficiente", "in", "suspenso", "muy deficiente"}),
    (5, 6, {"suficiente", "su", "aprobado"}),
    (6, 7, {"bien", "bi"}),
    (7, 9, {"notable", "nt"}),
    (9, 11, {"sobresaliente", "sb", "excelente", "matricula de honor", "mh"}),
)
"""The words that Spanish law gives to grades from 0 to 10."""


def is_same_grade(number: Grade, word: Grade) -> bool:
    """Return whether a word only repeats the number beside it."""
    if number.number is None:
        return False
    return any(low <= number.number < high and fold(word.text) in words for low, high, words in SPANISH_SCALE)

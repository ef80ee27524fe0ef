"""Read amounts as they are printed: signs, grouping and digits of many countries, and what stays ambiguous."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from babel.numbers import NumberFormatError, parse_decimal

from files.extraction.currencies import codes

Mark = Literal[".", ","]
"""The decimal mark of a document."""

LOCALE_OF_MARK: dict[Mark, str] = {".": "en", ",": "de"}
GROUP_OF_MARK: dict[Mark, str] = {".": ",", ",": "."}
GROUP_SIZE = 3
MAX_DIGITS = 9
"""Longer runs are telephone, card and article numbers."""

_SAME_LENGTH = {
    **dict.fromkeys("\u2019\u2018`\u00b4\u02bc\u066c", "'"),
    **dict.fromkeys("\u202f\u2009\u00a0\u2007", "\u00a0"),
    **dict.fromkeys("\u2212\u2013\u2010\u2011", "-"),
    "\u066b": ",",
}
_LETTER_O = re.compile(r"(?<=\d)[Oo](?=[\dOo.,]|\b)|(?<=\d[.,])[Oo](?=[\dOo])|(?<=\d[.,][\dOo])[Oo]\b")
"""OCR's letter O among digits."""
_CURRENCY = rf"(?:[A-Z]{{1,3}}\$|RM|Rs\.?|Fr\.|kr\.?|zł|{'|'.join(sorted(codes()))}|[$€£¥₹₩₺₫฿])"
_NUMBER = (
    r"\d{1,3}(?: \d{3})+,\d{2}|\d{1,3}(?:[.,'\u00a0]\d{3})+(?:[.,]\d{1,2})?|\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d{1,2})?"
    r"|\d+\. \d{2}(?![\d.,])|\d+[.,]\d{1,3}|\d+|(?:^|(?<=[\s$£€]))\.\d{2}(?!\d)"
)
_SIGN = r"(?P<sign>(?<![A-Za-z])-|(?<=^)-\s)?"
_BEFORE = rf"(?P<open>\(\s?)?{_SIGN}(?P<currency>(?<![A-Za-z]){_CURRENCY}\s?)?(?P<inner>(?(currency)-\s?|(?!)))?"
_AFTER = rf"(?P<after>-(?![\w-]))?(?P<unit>\s?{_CURRENCY}(?![\w$]))?(?P<trail>-(?![\w-]))?(?P<close>\s?\))?"
_AMOUNT = re.compile(
    rf"(?<![\d.,/:#'-]){_BEFORE}(?P<number>{_NUMBER})(?:[.,]--?|\s?[.,]-(?!\d))?{_AFTER}(?P<tail>[A-Z]{{1,2}}\b)?"
    r"(?![\d%‰°/:'-]|[.,]\d|\s?%|\w)"
)


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount and where it stands in its text. `ambiguous`: the mark before three digits may group or not."""

    value: Decimal
    ambiguous: bool
    decimals: int
    currency: str
    start: int
    end: int


def normalise(text: str) -> str:
    """Replace digits, marks and signs of other scripts by ASCII ones, character by character, so that places hold."""
    return _LETTER_O.sub("0", "".join(_normal(character) for character in text))


def _normal(character: str) -> str:
    if character in _SAME_LENGTH:
        return _SAME_LENGTH[character]
    if character.isdecimal() and not character.isascii():
        return str(unicodedata.decimal(character))
    return character


def find_amounts(text: str, mark: Mark | None = None) -> list[Amount]:
    """Return the amounts in a text, from left to right. Percentages, dates and times are none."""
    found = []
    for match in _AMOUNT.finditer(normalise(text)):
        amount = _amount(match, mark)
        if amount is not None:
            found.append(amount)
    return found


def parse_amount(text: str, mark: Mark | None = None) -> Amount | None:
    """Return the amount that the whole text is, or None."""
    amounts = find_amounts(text.strip(), mark)
    if len(amounts) != 1 or amounts[0].end - amounts[0].start < len(text.strip()):
        return None
    return amounts[0]


def decimal_mark(texts: Iterable[str]) -> Mark | None:
    """Return the decimal mark that the unambiguous amounts of a document use, or None if they do not say."""
    votes: Counter[Mark] = Counter()
    for text in texts:
        votes.update(_votes(normalise(text)))
    ranked = votes.most_common(2)
    if not ranked or (len(ranked) > 1 and ranked[0][1] < 2 * ranked[1][1]):
        return None
    return ranked[0][0]


def _votes(text: str) -> Iterator[Mark]:
    for match in _AMOUNT.finditer(text):
        number = match["number"]
        marks = [character for character in number if character in ".,"]
        if marks and len(number) - 1 - number.rindex(marks[-1]) != GROUP_SIZE:
            yield "." if marks[-1] == "." else ","


def _amount(match: re.Match[str], mark: Mark | None) -> Amount | None:
    number = match["number"]
    if sum(character.isdigit() for character in number) > MAX_DIGITS:
        return None
    own_mark, ambiguous = _mark_of(number, mark)
    value = _parse(number, own_mark)
    if value is None:
        return None
    if _is_negative(match):
        value = -value
    decimals = len(number) - 1 - number.rindex(own_mark) if own_mark in number else 0
    currency = (match["currency"] or match["unit"] or "").strip()
    return Amount(value, ambiguous, decimals, currency, match.start(), match.end())


def _is_negative(match: re.Match[str]) -> bool:
    signs = match["sign"] or match["inner"] or match["after"] or match["trail"]
    return bool(signs) or bool(match["open"] and match["close"])


def _mark_of(number: str, mark: Mark | None) -> tuple[Mark, bool]:
    """Return the decimal mark of one number, and whether that is a guess."""
    marks = [character for character in number if character in ".,"]
    if not marks:
        return mark or ".", False
    last: Mark = "." if marks[-1] == "." else ","
    other: Mark = "," if last == "." else "."
    if len(set(marks)) > 1:
        return last, False
    if len(marks) > 1:
        return other, False
    whole, fraction = number.split(last)
    if len(fraction) != GROUP_SIZE or whole == "0" or re.search(r"[ '\u00a0]", whole):
        return last, False
    return (other, True) if mark is None else (mark, False)


def _parse(number: str, mark: Mark) -> Decimal | None:
    group = GROUP_OF_MARK[mark]
    spelled = number.replace(". ", ".").replace("'", group).replace(" ", group).replace("\u00a0", group)
    if re.fullmatch(r"\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?", spelled):
        return parse_decimal(spelled, locale="en_IN", strict=True)
    try:
        return parse_decimal(spelled, locale=LOCALE_OF_MARK[mark], strict=True)
    except NumberFormatError:
        return None

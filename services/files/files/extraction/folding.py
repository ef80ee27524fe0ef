"""Fold texts for comparison: case, accents, punctuation and the usual mistakes of OCR are no difference."""

import re
from functools import lru_cache

from anyascii import anyascii
from rapidfuzz import fuzz

LETTER_FOR_DIGIT = str.maketrans("0158|", "oissl")
FUZZY_LENGTH = 5
"""Shorter labels are compared exactly: one wrong letter of "cash" is another word."""
FUZZY_SCORE = 86.0
_ORDINALS = re.compile("[\u00ba\u00aa\u00b0]")
_NOT_A_WORD = re.compile(r"[^a-z0-9%#]+")
_LEADING_MARKS = re.compile(r"^[\s*#:;.,•·>|-]+|[\s*:;,•·<|]+$")


@lru_cache(maxsize=8192)
def fold(text: str) -> str:
    """Return lower-case ASCII words, separated by one space; each apostrophe and point within a word is dropped."""
    ascii_text = anyascii(_ORDINALS.sub(" ", text)).lower().replace("'", "").replace("\u2019", "")
    ascii_text = re.sub(r"(?<=\b[a-z])\.(?=[a-z]\b)", "", ascii_text)
    return _NOT_A_WORD.sub(" ", ascii_text).strip()


@lru_cache(maxsize=8192)
def fold_label(text: str) -> str:
    """Fold a label that OCR may have read: "T0TAL" is "total". Words of digits only stay digits."""
    words = fold(text).split()
    return " ".join(word if word.strip("%#").isdigit() else word.translate(LETTER_FOR_DIGIT) for word in words)


def has_label(folded: str, label: str) -> bool:
    """Tell whether the folded text contains the label as whole words, or a long label with a wrong letter."""
    if f" {label} " in f" {folded} ":
        return True
    if len(label) < FUZZY_LENGTH:
        return False
    size = label.count(" ") + 1
    words = folded.split()
    windows = (" ".join(words[start : start + size]) for start in range(len(words) - size + 1))
    return any(window[0] == label[0] and fuzz.ratio(window, label) >= FUZZY_SCORE for window in windows)


def trim(text: str) -> str:
    """Remove the marks around a value: bullets, stars, colons."""
    return _LEADING_MARKS.sub("", text).strip()

"""Fold texts for comparison: case, accents, punctuation and the usual mistakes of OCR are no difference."""

import re
from collections.abc import Collection, Mapping
from functools import lru_cache

from anyascii import anyascii
from rapidfuzz import fuzz, process

LETTER_FOR_DIGIT = str.maketrans("0158|", "oissl")
FUZZY_LENGTH = 5
"""Shorter labels are compared exactly: one wrong letter of "cash" is another word."""
FUZZY_SCORE = 86.0
FUZZY_WORDS = 8
"""A longer text is prose: a word in it that is like a label is none."""
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


def longest_label(folded: str, labels: Mapping[int, frozenset[str]]) -> str | None:
    """Return the longest label that a folded text contains as whole words; in a short text, with a wrong letter.

    `labels` are grouped by their number of words.
    """
    words = folded.split()
    windows = [(size, " ".join(words[at : at + size])) for size in labels for at in range(len(words) - size + 1)]
    exact = [window for size, window in windows if window in labels[size]]
    if exact or len(words) > FUZZY_WORDS:
        return max(exact, key=len, default=None)
    alike = (most_alike(window, labels[size]) for size, window in windows)
    return max((label for label in alike if label is not None), key=len, default=None)


def most_alike(text: str, labels: Collection[str]) -> str | None:
    """Return the long label that a text is but for a wrong letter, which is not the first."""
    if len(text) < FUZZY_LENGTH:
        return None
    best = process.extractOne(text, labels, scorer=fuzz.ratio, score_cutoff=FUZZY_SCORE)
    if best is None:
        return None
    label = str(best[0])
    return label if label[0] == text[0] and len(label) >= FUZZY_LENGTH else None


def trim(text: str) -> str:
    """Remove the marks around a value: bullets, stars, colons."""
    return _LEADING_MARKS.sub("", text).strip()

"""Write grades in one form, for rosters and requests alike: the codes of CEDS Entry Grade Level.

Without one form, a send to `7` would miss the students whose roster says `07`.
"""

import re
import unicodedata
from functools import lru_cache

MOST = 16
HIGHEST = 13
NAMED = {
    "it": "IT",
    "infant": "IT",
    "toddler": "IT",
    "infanttoddler": "IT",
    "pr": "PR",
    "ps3": "PR",
    "preschool": "PR",
    "-2": "PR",
    "pk": "PK",
    "prek": "PK",
    "prekindergarten": "PK",
    "p": "PK",
    "-1": "PK",
    "tk": "TK",
    "transitionalkindergarten": "TK",
    "k": "KG",
    "kg": "KG",
    "kinder": "KG",
    "kindergarten": "KG",
    "kindergarden": "KG",
    "ps": "PS",
    "postsecondary": "PS",
    "pg": "PS",
    "postgraduate": "PS",
    "ug": "UG",
    "un": "UG",
    "ungraded": "UG",
    "other": "Other",
    "oth": "Other",
}
"""Codes and common words, in small letters without spaces and hyphens; PowerSchool counts down to -2."""
ORDINALS = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
]
ROMAN = ["i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii", "xiii"]
WORDS = {word: f"{number:02}" for words in (ORDINALS, ROMAN) for number, word in enumerate(words, 1)} | NAMED
NUMBER = re.compile(r"0*([0-9]+)(?:[.,]0+)?(?:st|nd|rd|th|\.)?")
AROUND = re.compile(r"^(?:grade|gr|year|yr|class|form|klasse|level)[. ]*|[. ]*(?:grade|year|class|klasse)$")


@lru_cache(maxsize=1024)
def grade_code(text: str) -> str | None:
    """Return the code of a grade; None for what has none."""
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    bare = AROUND.sub("", "".join(_digit(each) for each in plain)) or plain
    if (found := NUMBER.fullmatch(bare)) is not None and (number := found[1]).isdecimal():
        value = int(number) if len(number) <= len(str(HIGHEST)) else HIGHEST + 1
        return None if value > HIGHEST else f"{value:02}" if value else "KG"
    return WORDS.get(bare) or WORDS.get(re.sub(r"(?!^-\d)[ \-/_.]", "", bare))


def usual_grade(text: str) -> str:
    """Return the code of a grade, or the text itself: schools have grades of their own."""
    return grade_code(text) or text


def _digit(character: str) -> str:
    return str(unicodedata.decimal(character)) if character.isdecimal() else character

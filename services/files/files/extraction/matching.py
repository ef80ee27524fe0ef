"""Match a printed name with the people of a school: accepted only with a clear margin or a second key."""

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from typing import Literal

from anyascii import anyascii
from rapidfuzz import fuzz

ACCEPTED = 0.9
"""A less similar name is another person's, unless a second key agrees."""
MARGIN = 0.06
"""How much better than the second candidate the best must be, unless only the best is spelled exactly so."""
WITH_SECOND_KEY = 0.6
"""With the right number or birthday, a name may be this badly read."""
PLAIN_LETTERS = 0.98
"""How much "Muller" counts for "Müller", beside "Mueller"."""
PARTIAL = 0.95
"""How much a name counts that lacks one of several given or family names."""
MAX_WORDS_TO_ORDER = 3
_LETTERS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "å": "aa", "ø": "oe", "æ": "ae", "þ": "th"})


@dataclass(frozen=True, slots=True)
class Candidate:
    """A person of the roster."""

    person_id: str
    given: str
    family: str
    number: str | None = None
    born_on: dt.date | None = None
    class_name: str | None = None


@dataclass(frozen=True, slots=True)
class Printed:
    """What a document says of a person."""

    name: str
    number: str | None = None
    born_on: dt.date | None = None
    class_name: str | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """The person, or the reason why a person has to choose."""

    person_id: str | None
    confidence: float
    reason: Literal["no_student", "ambiguous_student"] | None = None


def match_person(printed: Printed, candidates: Iterable[Candidate]) -> Match:
    """Return the one candidate that the printed name means.

    A number, a birthday or a class decides between people of the same name. A number that belongs to another name
    than the printed one is ambiguous: one of the two is wrong.
    """
    scored = sorted(((similarity(printed.name, person), person) for person in candidates), key=lambda pair: -pair[0])
    owners = [pair for pair in scored if printed.number and _same_number(printed.number, pair[1].number)]
    if len(owners) == 1:
        score, owner = owners[0]
        if score >= WITH_SECOND_KEY or not printed.name.strip():
            return Match(owner.person_id, 0.99 if score >= ACCEPTED else 0.9)
        return Match(None, score, "ambiguous_student")
    if not scored or scored[0][0] < WITH_SECOND_KEY:
        return Match(None, scored[0][0] if scored else 0.0, "no_student")
    return _by_name(printed, scored)


def similarity(name: str, person: Candidate) -> float:
    """Return how alike a printed name and a person's are, 0 to 1, in any order of the names."""
    spelled = f"{person.given} {person.family}"
    return max(
        _similarity(fold_name(name), fold_name(spelled)), PLAIN_LETTERS * _similarity(_plain(name), _plain(spelled))
    )


@lru_cache(maxsize=65536)
def fold_name(name: str) -> str:
    """Return a name in ASCII as its language spells it: ü is ue, å is aa; only then what is left is transliterated."""
    spelled = anyascii(name.lower().translate(_LETTERS)).lower()
    return " ".join(re.findall(r"[a-z0-9]+", re.sub(r"['\u2019.]", "", spelled)))


@lru_cache(maxsize=65536)
def _plain(name: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", re.sub(r"['\u2019.]", "", anyascii(name).lower())))


def _similarity(one: str, other: str) -> float:
    if not one or not other:
        return 0.0
    first, second = one.split(), other.split()
    shorter, longer = sorted((first, second), key=len)
    if len(shorter) >= 2 and set(shorter) < set(longer):  # noqa: PLR2004
        return PARTIAL
    orders = permutations(first) if len(first) <= MAX_WORDS_TO_ORDER else (first, sorted(first))
    return max(fuzz.ratio(" ".join(order), other) for order in orders) / 100


def _by_name(printed: Printed, scored: list[tuple[float, Candidate]]) -> Match:
    best = scored[0][0]
    close = [(score, person) for score, person in scored if best - score < MARGIN]
    keyed = [(score, person) for score, person in close if _second_key(printed, person)]
    if (len(keyed) == 1 and len(close) > 1) or (len(keyed) == 1 and best < ACCEPTED):
        return Match(keyed[0][1].person_id, 0.95)
    if best < ACCEPTED:
        return Match(None, best, "no_student")
    if len(close) > 1 and not (best == 1.0 and close[1][0] < 1.0):
        return Match(None, best / len(close), "ambiguous_student")
    person = scored[0][1]
    if printed.born_on is not None and person.born_on is not None and printed.born_on != person.born_on:
        return Match(None, 0.5, "ambiguous_student")
    return Match(person.person_id, min(best, 0.98))


def _second_key(printed: Printed, person: Candidate) -> bool:
    if printed.born_on is not None and person.born_on is not None:
        return printed.born_on == person.born_on
    if printed.class_name and person.class_name:
        return _plain(printed.class_name) == _plain(person.class_name)
    return False


def _same_number(one: str, other: str | None) -> bool:
    return other is not None and re.sub(r"\W", "", one).lower() == re.sub(r"\W", "", other).lower()

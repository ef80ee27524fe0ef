"""Find the words of a lexicon in a text: each hit is evidence that a person can check."""

import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from files.extraction.folding import fold

NEGATED = re.compile(
    r"\b(?:no|not|never|without|kein|keine|keinen|nicht|ohne|sin|ningun|pas|sans|aucun|aucune)(?: \w+)? ?$"
)
"""A word behind one of these says that it did not happen."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a text was classified as, the words that led to it, and how many words speak for something else."""

    name: str
    words: tuple[str, ...]
    others: int


@cache
def _lexicon() -> dict[str, Any]:
    return tomllib.loads(
        resources.files("files.extraction.behavior").joinpath("lexicon.toml").read_text(encoding="utf-8")
    )


def lexicon_version() -> str:
    """Return the version of the lexicon."""
    return str(_lexicon()["version"])


def classify(text: str) -> Evidence | None:
    """Return the category that most words of the text speak for, or None."""
    words = {name: [w for group in groups.values() for w in group] for name, groups in _lexicon()["category"].items()}
    return _best(text, words)


def classify_severity(text: str) -> Evidence | None:
    """Return low, medium or high, if the text names one."""
    return _best(text, {name: group["words"] for name, group in _lexicon()["severity"].items()})


def classify_action(text: str) -> Evidence | None:
    """Return the kind of action that most words of the text speak for, or None."""
    return _best(text, _lexicon()["action"])


def _best(text: str, words: dict[str, list[str]]) -> Evidence | None:
    folded = fold(text)
    hits = {
        name: list(dict.fromkeys(hit for word in group for hit in _hits(folded, word))) for name, group in words.items()
    }
    counted = Counter({name: sum(1 + hit.count(" ") for hit in found) for name, found in hits.items() if found})
    if not counted:
        return None
    (name, count), *rest = counted.most_common()
    return Evidence(name, tuple(hits[name]), rest[0][1] if rest and rest[0][1] >= count else 0)


def _hits(folded: str, word: str) -> list[str]:
    pattern = r"\b" + r"\s".join(re.escape(part).replace(r"\*", r"\w*") for part in word.split()) + r"\b"
    return [match.group() for match in re.finditer(pattern, folded) if not NEGATED.search(folded[: match.start()])]

"""Read the lists of words that tell names, addresses and titles apart, as one pattern each."""

import re
import tomllib
from functools import cache
from importlib import resources


@cache
def words(name: str) -> frozenset[str]:
    """Return the folded words of a list."""
    table = tomllib.loads(resources.files("files.extraction").joinpath("words.toml").read_text(encoding="utf-8"))
    return frozenset(table[name])


@cache
def pattern(name: str) -> re.Pattern[str]:
    """Return a pattern that finds a word of a list in folded text. "-schule" also ends a longer word."""
    ends = [re.escape(word[1:]) for word in sorted(words(name)) if word.startswith("-")]
    whole = [re.escape(word) for word in sorted(words(name)) if not word.startswith("-")]
    return re.compile(rf"\b(?:{'|'.join([*whole, *(rf'[a-z]+{end}' for end in ends)])})\b")

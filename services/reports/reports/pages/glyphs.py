"""Replaces characters that cannot be drawn, and keeps which they were."""

import unicodedata
from dataclasses import dataclass, field

from reports.pages.directions import breakable
from reports.pages.fonts import REPLACEMENT, covered
from reports.pages.words import Words

INVISIBLE = frozenset({"Cf", "Zs"})
"""Categories that need no glyph: joiners, isolates, spaces."""


@dataclass(slots=True)
class Writer:
    """Makes text that can be drawn: each character has a glyph, long words may break, values keep their direction."""

    words: Words
    missing: set[str] = field(default_factory=set)

    def text(self, value: str) -> str:
        """Return a text in which characters without a glyph are replaced; they are kept in `missing`."""
        return breakable("".join(self._drawable(letter) for letter in value))

    def value(self, value: str) -> str:
        """Return a value whose direction disturbs nothing around it."""
        return self.words.apart(self.text(value))

    def _drawable(self, letter: str) -> str:
        if ord(letter) in covered():
            return letter
        category = unicodedata.category(letter)
        if category in INVISIBLE:
            return letter
        if category in {"Cc", "Zl", "Zp"}:
            return "\n" if letter in "\n\u2028\u2029" else " "
        self.missing.add(letter)
        return REPLACEMENT

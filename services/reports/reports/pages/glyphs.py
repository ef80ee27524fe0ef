"""Replaces characters that cannot be drawn, and keeps which they were."""

import unicodedata
from dataclasses import dataclass, field

from reports.pages.directions import breakable
from reports.pages.fonts import REPLACEMENT, covered
from reports.pages.words import Words

INVISIBLE = frozenset({"Cf", "Zs"})
"""Categories that need no glyph: joiners, isolates, spaces."""

SPACING = frozenset({"Cc", "Zl", "Zp"})
"""Categories that are drawn as a space, or as the end of a line."""
FORBIDDEN = frozenset({"Co", "Cs", "Cn"})
"""Categories that PDF/A-2a does not allow: private use, surrogates, unassigned."""
BYTE_ORDER_MARK = "\ufeff"
LONGEST_WORD = 18
"""Characters that fit in a line of the narrowest place outside of tables."""


@dataclass(slots=True)
class Writer:
    """Makes text that can be drawn: each character has a glyph, long words may break, values keep their direction."""

    words: Words
    missing: set[str] = field(default_factory=set)

    def text(self, value: str, most: int = LONGEST_WORD) -> str:
        """Return a text in which characters without a glyph are replaced; they are kept in `missing`.

        A word of more than `most` characters may break.
        """
        plain = value.isascii() and value.isprintable()
        return breakable(value if plain else "".join(map(self._drawable, value)), most)

    def value(self, value: str, most: int = LONGEST_WORD) -> str:
        """Return a value whose direction disturbs nothing around it."""
        return self.words.apart(self.text(value, most))

    def _drawable(self, letter: str) -> str:
        category = unicodedata.category(letter)
        if category in SPACING:
            return "\n" if letter in "\n\u2028\u2029" else " "
        if letter == BYTE_ORDER_MARK:
            return ""
        if category in INVISIBLE or (category not in FORBIDDEN and ord(letter) in covered()):
            return letter
        self.missing.add(letter)
        return REPLACEMENT

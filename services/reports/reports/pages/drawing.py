"""What a drawing returns."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Drawing:
    """A file's content, and what could not be drawn as it was given. Warnings hold no personal data."""

    content: bytes
    warnings: tuple[str, ...] = ()


def warn_of_glyphs(missing: Iterable[str]) -> tuple[str, ...]:
    """Name the characters that no installed font has; they were replaced."""
    named = (f"U+{ord(letter):04X} {unicodedata.name(letter, 'unnamed')}" for letter in sorted(missing))
    return tuple(f"no installed font has {name}: it was replaced" for name in named)

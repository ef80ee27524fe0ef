"""What a drawing returns."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.pages.outline import Outline


@dataclass(frozen=True, slots=True)
class Drawing:
    """A file's content, and what could not be drawn as it was given. Warnings hold no personal data."""

    content: bytes
    warnings: tuple[str, ...] = ()


def warn_of_glyphs(missing: Iterable[str]) -> tuple[str, ...]:
    """Name the characters that no installed font has; they were replaced."""
    named = (f"U+{ord(letter):04X} {unicodedata.name(letter, 'unnamed')}" for letter in sorted(missing))
    return tuple(f"no installed font has {name}: it was replaced" for name in named)


def warn_of_logos(outlines: Sequence[Outline], drawn: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Say so if a school's logo is not on its pages."""
    lost = any(outline.school.logo and not page["logo"] for outline, page in zip(outlines, drawn, strict=True))
    return ("the school's logo is no picture that can be read: it was left out",) if lost else ()

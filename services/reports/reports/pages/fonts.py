"""The fonts of reports, all from packages: the machine's own fonts would give other bytes elsewhere.

Each is a TrueType font: of a subset of a CFF font typst leaves the default width out, which PDF/A forbids (decision
0063).
"""

import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import fontpkg
from fontTools.ttLib import TTFont
from justmytype_intl_cjk import get_font_pack

SMALL = ("Noto Sans", "Noto Sans Arabic", "Heebo")
EAST_ASIAN = ("Noto Sans SC", "Noto Sans JP", "Noto Sans KR", "Noto Sans TC")
FAMILIES = (*SMALL, *EAST_ASIAN)
"""In the order in which a letter is looked for: Latin, Greek, Cyrillic and Devanagari; Arabic; Hebrew; then Chinese,
Japanese and Korean. The first of these has every common Chinese character, so that a name has one shape throughout."""
REPLACEMENT = "\ufffd"
"""Stands for a character that no font has."""


@cache
def font_files() -> tuple[Path, ...]:
    """Return the files of the families. An uninstalled family is an error of fontpkg that names its package."""
    packaged = (fontpkg.path(family, weight=400) for family in SMALL)
    east_asian = (file for folder in get_font_pack().get_font_directories() for file in sorted(folder.rglob("*.ttf")))
    return (*packaged, *east_asian)


@cache
def covered() -> frozenset[int]:
    """Return the code points that a font has a glyph for."""
    found: set[int] = set()
    for file in font_files():
        with TTFont(file, lazy=True) as font:
            found.update(font.getBestCmap())
    return frozenset(found)


@cache
def _latin() -> tuple[Mapping[int, float], float]:
    """Return the advance of each letter of the first family in ems, and the height of its capitals."""
    with TTFont(fontpkg.path(SMALL[0], weight=400), lazy=True) as font:
        em, advances = font["head"].unitsPerEm, font["hmtx"].metrics
        letters = {letter: advances[glyph][0] / em for letter, glyph in font.getBestCmap().items()}
        return letters, font["OS/2"].sCapHeight / em


def width(text: str) -> float:
    """Return the width of a text in ems, before kerning; infinite with a letter that the first family does not have."""
    letters, _ = _latin()
    return sum(letters.get(ord(letter), math.inf) for letter in text)


def capital_height() -> float:
    """Return the height of the first family's capitals in ems, which is that of a line of typst."""
    return _latin()[1]

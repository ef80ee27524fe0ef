"""The fonts of reports, all from packages: the machine's own fonts would give other bytes elsewhere.

Each is a TrueType font: of a subset of a CFF font typst leaves the default width out, which PDF/A forbids (decision
0063).
"""

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

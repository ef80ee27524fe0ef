"""The fonts of reports, all from packages: the machine's own fonts would give other bytes elsewhere."""

from functools import cache
from pathlib import Path

import cvttf_NotoSansCJK_Regular as cjk
import fontpkg
from fontTools.ttLib import TTFont

FAMILIES = ("Noto Sans", "Noto Sans Arabic", "Heebo", "Noto Sans CJK TC")
"""In the order in which a letter is looked for: Latin, Greek, Cyrillic and Devanagari; Arabic; Hebrew; Chinese,
Japanese and Korean."""
REPLACEMENT = "\ufffd"
"""Stands for a character that no font has."""


@cache
def font_files() -> tuple[Path, ...]:
    """Return the files of the families. An uninstalled family is an error of fontpkg that names its package."""
    packaged = (fontpkg.path(family, weight=400) for family in FAMILIES[:-1])
    return (*packaged, Path(cjk.get_TTF_path()))


@cache
def covered() -> frozenset[int]:
    """Return the code points that a font has a glyph for."""
    found: set[int] = set()
    for file in font_files():
        with TTFont(file, lazy=True) as font:
            found.update(font.getBestCmap())
    return frozenset(found)

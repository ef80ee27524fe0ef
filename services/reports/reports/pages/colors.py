"""A school's colour, as it can be used: white text on it and bars of it must be readable, also in grey."""

import re

OWN = "#1f3a5f"
"""The colour of reports whose school has none."""
HEX = re.compile("#[0-9a-fA-F]{6}")
MOST_LIGHT = 0.18
"""Relative luminance: white on it has a contrast of 4.5 (WCAG 2.2, 1.4.3)."""


def readable(color: str | None) -> str:
    """Return the colour, darkened until white text on it can be read. Raise ValueError where it is not `#rrggbb`."""
    if color is None:
        return OWN
    if not HEX.fullmatch(color):
        raise ValueError(f"a school's colour is written #rrggbb; {color!r} is not")
    parts = [int(color[at : at + 2], 16) for at in (1, 3, 5)]
    while _luminance(parts) > MOST_LIGHT:
        parts = [part * 9 // 10 for part in parts]
    return "#" + "".join(f"{part:02x}" for part in parts)


def _luminance(parts: list[int]) -> float:
    """Return the relative luminance of a colour (WCAG 2.2), 0 to 1."""
    shares = [part / 255 for part in parts]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]  # noqa: PLR2004
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

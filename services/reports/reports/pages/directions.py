"""Keeps the direction of values apart from the text around them (Unicode UAX 9), and lets long words break.

Without isolates a right-to-left line shows "B+" as "+B" and a phone number backwards.
"""

import re
import unicodedata

LRI, FSI, PDI = "\u2066", "\u2068", "\u2069"
"""Left-to-right isolate, first strong isolate, and the end of either."""
ZERO_WIDTH_SPACE = "\u200b"
UNBREAKABLE = re.compile(r"[^\s\-/]+")
"""Letters between which lines do not break."""
STRONG_RIGHT = frozenset({"R", "AL"})


def isolate(value: str, direction: str) -> str:
    """Wrap a value that could disturb a line of this direction, by its first strong letter.

    Digits and signs alone run left to right. On a left-to-right page only right-to-left letters need it.
    """
    if direction == "ltr" and value.isascii():
        return value
    classes = [unicodedata.bidirectional(letter) for letter in value]
    if direction == "ltr" and STRONG_RIGHT.isdisjoint(classes):
        return value
    strong = next((each for each in classes if each == "L" or each in STRONG_RIGHT), "L")
    return f"{LRI if strong == 'L' else FSI}{value}{PDI}" if value else value


def direction_of(value: str, otherwise: str) -> str:
    """Return how a text runs: as its first strong letter outside of isolates (P2), or as the text around it."""
    depth = 0
    for letter in value:
        kind = unicodedata.bidirectional(letter)
        if letter in {LRI, FSI, PDI}:
            depth += -1 if letter == PDI else 1
        elif depth == 0 and (kind == "L" or kind in STRONG_RIGHT):
            return "ltr" if kind == "L" else "rtl"
    return otherwise


def breakable(value: str, most: int) -> str:
    """Allow a break after each `most` characters of a longer word, or it would run over its column's edge."""
    return UNBREAKABLE.sub(lambda found: _with_breaks(found.group(), most), value) if len(value) > most else value


def _with_breaks(word: str, most: int) -> str:
    """Put breaks into a long word; never before a mark or a joiner."""
    if len(word) <= most:
        return word
    parts: list[str] = []
    run = 0
    for letter in word:
        if run >= most and unicodedata.category(letter) not in {"Mn", "Me", "Mc", "Cf"}:
            parts.append(ZERO_WIDTH_SPACE)
            run = 0
        parts.append(letter)
        run += 1
    return "".join(parts)

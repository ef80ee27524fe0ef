"""Whether a page is written in a script that the models carry (Latin and Chinese; Japanese and Greek in part).

The models have no sign for "unknown": for letters of another script they return spaces, even with high confidence.
"""

import numpy as np

from files.reading.ocr.engine import Corners

WIDE = 2.0
"""Shorter places may be stains, bullets or single signs."""
SIGNS_FOR_EACH_HEIGHT = 1 / 3
"""Fewer signs than that along a text are too few: letters are about half as wide as they are high."""
UNSURE = 0.6
FEWEST = 3
UNREAD_SHARE = 0.3


def is_covered(places: list[Corners], found: list[tuple[str, float]]) -> bool:
    """Whether most of what looks like text could be read."""
    unread = total = 0.0
    count = 0
    for corners, (text, confidence) in zip(places, found, strict=True):
        length = float(np.linalg.norm(corners[1] - corners[0]))
        aspect = length / max(1.0, float(np.linalg.norm(corners[3] - corners[0])))
        if aspect < WIDE:
            continue
        total += length
        if confidence < UNSURE or len("".join(text.split())) < aspect * SIGNS_FOR_EACH_HEIGHT:
            unread += length
            count += 1
    return count < FEWEST or unread < UNREAD_SHARE * total

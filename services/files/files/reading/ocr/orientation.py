"""Decides how a page lies by reading a few of its longest lines each way round. Unsure means: as it is."""

import numpy as np
from rapidocr.utils.process_img import get_rotate_crop_image

from files.reading.ocr.engine import Corners, Picture, recognise_cuttings

SAMPLE = 8
TALL = 1.5
CLEAR = 0.9
"""A mean confidence above this is text the right way up; nothing else is tried."""
MARGIN = 0.08
"""How much better another way up has to read."""


def quarter_turns(picture: Picture, places: list[Corners]) -> int:
    """Return how many quarter turns counter-clockwise make the page upright."""
    longest = sorted(places, key=_length, reverse=True)[:SAMPLE]
    if not longest:
        return 0
    sideways = sum(_is_tall(corners) for corners in longest) * 2 > len(longest)
    cuttings = [get_rotate_crop_image(picture, corners) for corners in longest]
    # A tall cutting comes turned counter-clockwise by a quarter already.
    upright = _confidence(cuttings)
    if upright >= CLEAR:
        return 1 if sideways else 0
    over = _confidence([np.ascontiguousarray(np.rot90(cutting, 2)) for cutting in cuttings])
    if over >= upright + MARGIN:
        return 3 if sideways else 2
    return 1 if sideways and upright > 1 - CLEAR else 0


def _confidence(cuttings: list[Picture]) -> float:
    """Mean confidence, weighted by the length of what was read."""
    found = recognise_cuttings(cuttings)
    letters = sum(len(text) for text, _ in found)
    return sum(score * len(text) for text, score in found) / letters if letters else 0.0


def _sides(corners: Corners) -> tuple[float, float]:
    return float(np.linalg.norm(corners[1] - corners[0])), float(np.linalg.norm(corners[3] - corners[0]))


def _length(corners: Corners) -> float:
    return max(_sides(corners))


def _is_tall(corners: Corners) -> bool:
    width, height = _sides(corners)
    return height >= TALL * width


def turn_places(places: list[Corners], width: int, height: int, turns: int) -> list[Corners]:
    """Turn places as the picture of that width and height is turned, counter-clockwise by quarters."""
    for _ in range(turns % 4):
        # (x, y) → (y, width - x); the first corner stays the top left one.
        places = [np.roll(np.stack([c[:, 1], width - c[:, 0]], axis=1), 1, axis=0).astype(np.float32) for c in places]
        width, height = height, width
    return places


def skew(places: list[Corners]) -> float:
    """Return the median angle of the longer base lines in radians, clockwise; 0 if there are too few to be sure."""
    long = [c for c in places if _sides(c)[0] >= 3 * _sides(c)[1]]
    if len(long) < SAMPLE // 2:
        return 0.0
    angles = sorted(float(np.arctan2(c[1][1] - c[0][1], c[1][0] - c[0][0])) for c in long)
    return angles[len(angles) // 2]

"""Decides how a page lies. Unsure means: as it is."""

import numpy as np
from rapidocr.utils.process_img import get_rotate_crop_image

from files.reading.ocr.engine import Corners, Picture, recognise_cuttings

SAMPLE = 8
TALL = 1.5
LONG = 3
CLEAR = 0.85
"""A mean confidence above this is text the right way up; nothing else is tried."""
MARGIN = 0.08
"""How much better the other way up has to read."""

Found = list[tuple[str, float]]


def is_sideways(places: list[Corners]) -> bool:
    """Whether most of the longest texts run up or down."""
    longest = _longest(places)
    return sum(_is_tall(corners) for corners in longest) * 2 > len(longest)


def is_upside_down(picture: Picture, places: list[Corners]) -> bool:
    """Whether a few of the longest texts read clearly better when they are turned by half."""
    cuttings = [get_rotate_crop_image(picture, corners) for corners in _longest(places)]
    over = [np.ascontiguousarray(np.rot90(cutting, 2)) for cutting in cuttings]
    return confidence(recognise_cuttings(over)) >= confidence(recognise_cuttings(cuttings)) + MARGIN


def confidence(found: Found) -> float:
    """Mean confidence, weighted by the length of what was read."""
    letters = sum(len(text) for text, _ in found)
    return sum(score * len(text) for text, score in found) / letters if letters else 0.0


def turn(picture: Picture, places: list[Corners], turns: int) -> tuple[Picture, list[Corners]]:
    """Turn a picture and the places in it counter-clockwise by quarters."""
    for _ in range(turns):
        width = picture.shape[1]
        picture = np.rot90(picture)
        # (x, y) becomes (y, width - x), and the former top right corner is the top left one.
        places = [np.roll(np.stack([c[:, 1], width - c[:, 0]], axis=1), -1, axis=0).astype(np.float32) for c in places]
    return np.ascontiguousarray(picture), places


def skew(places: list[Corners]) -> float:
    """Return the median angle of the longer base lines in radians, clockwise; 0 if there are too few to be sure."""
    long = [c for c in places if _sides(c)[0] >= LONG * _sides(c)[1]]
    if len(long) < SAMPLE // 2:
        return 0.0
    return float(np.median([np.arctan2(c[1][1] - c[0][1], c[1][0] - c[0][0]) for c in long]))


def _longest(places: list[Corners]) -> list[Corners]:
    return sorted(places, key=lambda corners: max(_sides(corners)), reverse=True)[:SAMPLE]


def _sides(corners: Corners) -> tuple[float, float]:
    return float(np.linalg.norm(corners[1] - corners[0])), float(np.linalg.norm(corners[3] - corners[0]))


def _is_tall(corners: Corners) -> bool:
    width, height = _sides(corners)
    return height >= TALL * width

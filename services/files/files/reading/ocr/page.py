"""Reads one picture of a page: finds text, turns the page upright, recognises, and groups words into lines."""

import math

import numpy as np
from PIL import Image

from files.domain.document import Page
from files.reading.lines import PlacedText, group
from files.reading.ocr import engine, orientation, scripts

LOWEST_CONFIDENCE = 0.3
"""Below this it is a stain or a part of a drawing, not text."""
UNKNOWN_SCRIPT = 0.5
"""No word of a page in an unknown script has more confidence: its labels could not be read."""


def read(image: Image.Image, number: int, size: tuple[float, float] | None = None) -> tuple[Page, bool]:
    """Return the page and whether its script is covered by the models. `size` replaces the picture's own."""
    picture = _array(image)
    picture, places, found, turns = _read_upright(picture, engine.find(picture))
    angle = orientation.skew(places)
    covered = scripts.is_covered(places, found)
    most = 1.0 if covered else UNKNOWN_SCRIPT
    words = [
        _word(corners, text, min(confidence, most))
        for corners, (text, confidence) in zip(places, found, strict=True)
        if text.strip() and confidence >= LOWEST_CONFIDENCE
    ]
    height, width = picture.shape[:2]
    page_width, page_height = size or (image.width, image.height)
    if turns % 2:
        page_width, page_height = page_height, page_width
    lines = group(words, width, height, angle)
    page = Page(number, page_width, page_height, lines, turned=90.0 * turns + math.degrees(angle))
    return page, covered


def read_lines(images: list[Image.Image]) -> list[str]:
    """Return the text of pictures that show one line of text each."""
    return [text for text, _ in engine.recognise_cuttings([_array(image) for image in images])]


def _array(image: Image.Image) -> engine.Picture:
    """The models were trained on blue, green, red."""
    return np.ascontiguousarray(np.asarray(image)[:, :, ::-1])


def _read_upright(
    picture: engine.Picture, places: list[engine.Corners]
) -> tuple[engine.Picture, list[engine.Corners], orientation.Found, int]:
    """Return the upright picture, its places, what they say, and the quarter turns that it took.

    Most pages are upright: they are read once, and nothing else is tried if that reads well.
    """
    turns = 1 if orientation.is_sideways(places) else 0
    picture, places = orientation.turn(picture, places, turns)
    found = [] if turns else engine.recognise(picture, places)
    if orientation.confidence(found) < orientation.CLEAR and orientation.is_upside_down(picture, places):
        picture, places = orientation.turn(picture, places, 2)
        turns, found = turns + 2, []
    return picture, places, found or engine.recognise(picture, places), turns


def _word(corners: engine.Corners, text: str, confidence: float) -> PlacedText:
    (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
    tall = float(np.linalg.norm(corners[3] - corners[0]))
    return PlacedText(text.strip(), float(x0), float(y0), float(x1), float(y1), confidence, "ocr", tall)

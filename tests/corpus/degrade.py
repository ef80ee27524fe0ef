"""Pictures of pages as a scanner or a phone makes them; the same page and seed give the same pixels."""

from contextlib import closing
from typing import Final, Literal

import cv2
import numpy as np
import pypdfium2
from numpy.typing import NDArray

Level = Literal["clean", "office", "phone"]
Picture = NDArray[np.uint8]
LEVELS: Final[tuple[Level, ...]] = ("clean", "office", "phone")
POINTS_PER_INCH: Final = 72
LIGHTEST: Final = 255
WHITE: Final = (255, 255, 255)
TABLE: Final = (40, 60, 80)
"""The colour of the table below a photographed page: blue, green, red."""


def rasterize(pdf: bytes, dpi: int) -> Picture:
    """Return the first page as an array of height × width × 3."""
    with closing(pypdfium2.PdfDocument(pdf)) as document:
        bitmap = document[0].render(scale=dpi / POINTS_PER_INCH, rev_byteorder=False)
        return np.ascontiguousarray(bitmap.to_numpy()[:, :, :3])


def degrade(page: Picture, level: Level, dpi: int, seed: int) -> bytes:
    """Return the page as an encoded picture: PNG if clean, else JPEG.

    - clean: as it was rasterized
    - office: turned by up to 1°, slightly blurred, grey, with noise and specks, JPEG 75 to 90
    - phone: in perspective on a dark table, turned by up to 3°, unevenly lit, blurred, noisy, JPEG 60 to 80
    """
    dice = np.random.default_rng(seed)
    if level == "clean":
        return _encoded(".png", page)
    if level == "office":
        grey = np.asarray(cv2.cvtColor(page, cv2.COLOR_BGR2GRAY), np.uint8)
        turned = _turn(grey, float(dice.uniform(-1, 1)), WHITE)
        noisy = _noise(_specks(_blur(turned, float(dice.uniform(0.3, 0.6)) * dpi / 200), dice), dice, 6)
        return _encoded(".jpg", noisy, int(dice.integers(75, 91)))
    table = _on_a_table(page, dice)
    lit = _light(_perspective(_turn(table, float(dice.uniform(-3, 3)), TABLE), dice), dice)
    noisy = _noise(_blur(lit, float(dice.uniform(0.4, 0.8)) * dpi / 200), dice, 8)
    return _encoded(".jpg", noisy, int(dice.integers(60, 81)))


def _encoded(suffix: str, picture: Picture, quality: int = 0) -> bytes:
    done, out = cv2.imencode(suffix, picture, [cv2.IMWRITE_JPEG_QUALITY, quality] if quality else [])
    assert done
    return out.tobytes()


def _turn(picture: Picture, degrees: float, around: tuple[int, int, int]) -> Picture:
    height, width = picture.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    return np.asarray(
        cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_CUBIC, borderValue=around), np.uint8
    )


def _blur(picture: Picture, sigma: float) -> Picture:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)


def _noise(picture: Picture, dice: np.random.Generator, sigma: float) -> Picture:
    noise = dice.normal(0, sigma, picture.shape[:2])
    if picture.ndim > noise.ndim:
        noise = noise[:, :, None]
    return np.clip(picture + noise, 0, LIGHTEST).astype(np.uint8)


def _specks(picture: Picture, dice: np.random.Generator) -> Picture:
    """Put single dark dots on the page, as dust on the glass does: 30 per million pixels."""
    height, width = picture.shape
    dotted = picture.copy()
    count = height * width * 30 // 1_000_000
    dotted[dice.integers(0, height, count), dice.integers(0, width, count)] = 90
    return dotted


def _on_a_table(picture: Picture, dice: np.random.Generator) -> Picture:
    """Put the page on a darker ground, with a margin of 4 to 8 % of its width."""
    margin = int(picture.shape[1] * dice.uniform(0.04, 0.08))
    return np.asarray(cv2.copyMakeBorder(picture, *(margin,) * 4, cv2.BORDER_CONSTANT, value=TABLE), np.uint8)


def _perspective(picture: Picture, dice: np.random.Generator) -> Picture:
    """Move each corner inwards by up to 3 % of the sides: the phone is not held flat."""
    height, width = picture.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    inwards = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]], np.float32)
    moved = corners + inwards * dice.uniform(0, 0.03, (4, 2)).astype(np.float32) * np.array([width, height], np.float32)
    matrix = cv2.getPerspectiveTransform(corners, moved)
    return np.asarray(
        cv2.warpPerspective(picture, matrix, (width, height), flags=cv2.INTER_CUBIC, borderValue=TABLE),
        np.uint8,
    )


def _light(picture: Picture, dice: np.random.Generator) -> Picture:
    """Darken the page towards one side by up to 35 %, as a lamp or a hand does, and tint it."""
    height, width = picture.shape[:2]
    angle, depth = dice.uniform(0, 2 * np.pi), dice.uniform(0.1, 0.35)
    across = np.linspace(-0.5, 0.5, width)[None, :] * np.cos(angle)
    down = np.linspace(-0.5, 0.5, height)[:, None] * np.sin(angle)
    shade = 1 - depth * (across + down + 0.5).clip(0, 1)
    tint = np.array([dice.uniform(0.88, 0.96), dice.uniform(0.93, 0.98), 0.99])
    lit: Picture = np.clip(picture * shade[:, :, None] * tint, 0, LIGHTEST).astype(np.uint8)
    return lit

"""Looks at a school's logo before it is drawn: one that cannot be read must not prevent a report."""

import io
from dataclasses import dataclass
from typing import Any

from PIL import Image, UnidentifiedImageError

SVG_STARTS = (b"<svg", b"<?xml")


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG that was read once, with its size in pixels."""

    content: bytes
    width: int
    height: int


def read_png(logo: bytes | None) -> Picture | None:
    """Return a logo that is a whole PNG; None for anything else."""
    if not logo:
        return None
    try:
        with Image.open(io.BytesIO(logo), formats=["PNG"]) as image:
            image.load()
            return Picture(logo, image.width, image.height)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError):
        return None  # what Pillow raises for a PNG that is broken or too large


def is_svg(logo: bytes) -> bool:
    """Tell whether a logo claims to be an SVG; typst reads it, and is asked again without it if it cannot."""
    return logo.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(SVG_STARTS)


def logo_data(logo: bytes | None) -> dict[str, Any] | None:
    """Return a logo as the template reads it; None if there is none that can be drawn."""
    if not logo:
        return None
    if is_svg(logo):
        return {"format": "svg", "bytes": list(logo)}
    return {"format": "png", "bytes": list(logo)} if read_png(logo) else None

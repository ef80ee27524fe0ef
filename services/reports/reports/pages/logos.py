"""Looks at a school's logo before it is drawn: one that cannot be read must not prevent a report."""

import io
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from PIL import Image, UnidentifiedImageError

FORMATS = ("WEBP", "PNG", "JPEG")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as PNG, which typst and Excel draw, with its size in pixels."""

    content: bytes
    width: int
    height: int


@lru_cache(maxsize=16)
def read_picture(logo: bytes | None) -> Picture | None:
    """Return a logo that is a whole picture; None for anything else. A grade's reports share one reading."""
    if not logo:
        return None
    target = io.BytesIO()
    try:
        with Image.open(io.BytesIO(logo), formats=FORMATS) as image:
            image.convert("RGBA" if image.has_transparency_data else "RGB").save(target, "PNG")
            return Picture(target.getvalue(), image.width, image.height)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError):
        return None  # what Pillow raises for a picture that is broken or too large


def logo_data(logo: bytes | None) -> dict[str, Any] | None:
    """Return a logo as the template reads it; None if there is none that can be drawn."""
    picture = read_picture(logo)
    return {"format": "png", "bytes": list(picture.content)} if picture else None

"""Draws the small pictures of a file: 256 and 1024 pixels on the longer side, WebP, upright, the first PDF page."""

from pathlib import Path

from PIL import Image

from files.reading import pictures
from files.reading.file_type import IMAGES, PDF
from files.reading.limits import ReadLimits
from files.reading.pdf import rendering

SIZES = (1_024, 256)


def thumbnails(path: Path, folder: Path, media_type: str, limits: ReadLimits) -> dict[str, str]:
    """Write the thumbnails into `folder`. Returns size → file name; empty for files that have no picture."""
    if media_type == PDF:
        return _write(rendering.first_page(path, max(SIZES)), folder)
    if media_type not in IMAGES.values():
        return {}
    return _write(pictures.reduced(path, media_type, limits, max(SIZES)), folder)


def _write(image: Image.Image, folder: Path) -> dict[str, str]:
    names = {}
    for size in SIZES:
        image.thumbnail((size, size), Image.Resampling.LANCZOS)
        name = f"thumbnail-{size}.webp"
        image.save(folder / name, "WEBP", quality=80, method=2)
        names[str(size)] = name
    return names

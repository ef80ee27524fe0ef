"""Decodes pictures: checks their size before any pixel, and returns upright RGB."""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from files.reading.limits import ReadLimits
from files.reading.refusal import Code, Refused

OCR_PIXELS = 12_000_000
FORMATS = {
    "image/jpeg": ("JPEG", "MPO"),
    "image/png": ("PNG",),
    "image/webp": ("WEBP",),
    "image/heic": ("HEIF",),
    "image/tiff": ("TIFF",),
    "image/gif": ("GIF",),
}
SQUARE_ENOUGH = 1.05
"""Resolutions that differ by less are the same: rounding of a scanner, not the pixels of a fax."""

pillow_heif.register_heif_opener()


@contextlib.contextmanager
def opened(path: Path, media_type: str, limits: ReadLimits) -> Iterator[Image.Image]:
    """Open a picture of an allowed size. Decoding errors become Refused."""
    Image.MAX_IMAGE_PIXELS = limits.pixels
    try:
        with Image.open(path, formats=FORMATS[media_type]) as picture:
            refuse_large(picture.width, picture.height, limits)
            yield picture
    except Image.DecompressionBombError as error:
        raise Refused("too_large", "The picture has too many pixels. Send it in a lower resolution.") from error
    except UnidentifiedImageError as error:
        raise Refused("corrupt", "The picture is damaged. Take or export it again and send it once more.") from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError) as error:
        code: Code = "bomb" if "exceeds" in str(error) or "Decompressed" in str(error) else "corrupt"
        raise Refused(code, "The picture is damaged or incomplete. Take or export it again and send it.") from error


def refuse_large(width: int, height: int, limits: ReadLimits) -> None:
    """Refuse a picture by what its header says, before it takes memory."""
    if width * height > limits.pixels or max(width, height) > limits.side:
        raise Refused("too_large", f"The picture has {width} × {height} pixels, which is too many. Send a smaller one.")


def frames(picture: Image.Image, media_type: str, limits: ReadLimits) -> Iterator[Image.Image]:
    """Yield the pages of a TIFF, or the first frame of any other picture."""
    if media_type != "image/tiff":
        count = getattr(picture, "n_frames", 1)
        if media_type != "image/jpeg" and count > limits.frames:
            raise too_many(limits)
        yield picture
        return
    for number, frame in enumerate(ImageSequence.Iterator(picture)):
        if number >= limits.frames:
            raise too_many(limits)
        refuse_large(frame.width, frame.height, limits)
        yield frame


def too_many(limits: ReadLimits) -> Refused:
    """The refusal of a picture with more frames than are read."""
    return Refused("too_many_frames", f"The picture has more than {limits.frames} frames. Send one picture per file.")


def normalised(picture: Image.Image, pixels: int = OCR_PIXELS) -> Image.Image:
    """Return an upright RGB picture with square pixels, white behind transparency, and at most `pixels` pixels."""
    if picture.format in {"JPEG", "MPO"}:
        factor = math.sqrt(pixels / (picture.width * picture.height))
        picture.draft("RGB", (round(picture.width * min(1, factor)), round(picture.height * min(1, factor))))
    upright = _with_square_pixels(ImageOps.exif_transpose(picture))
    image = _rgb(upright)
    area = image.width * image.height
    if area > pixels:
        factor = math.sqrt(pixels / area)
        image = image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.LANCZOS)
    return image


def _with_square_pixels(picture: Image.Image) -> Image.Image:
    """Scale up the coarser side: a fax has 204 × 98 dots per inch."""
    across, down = _resolution(picture)
    if not across or not down or max(across, down) < SQUARE_ENOUGH * min(across, down):
        return picture
    width, height = (
        (picture.width, round(picture.height * across / down))
        if across > down
        else (round(picture.width * down / across), picture.height)
    )
    return picture.convert("L" if picture.mode == "1" else picture.mode).resize((width, height))


def _resolution(picture: Image.Image) -> tuple[float, float]:
    """Dots per inch, if both are believable; else zeros."""
    try:
        across, down = (float(value) for value in picture.info.get("dpi", (0, 0)))
    except (TypeError, ValueError, ZeroDivisionError):
        return 0, 0
    lowest, highest, ratio = 20, 2_400, 4
    plausible = (
        lowest <= min(across, down) and max(across, down) <= highest and max(across, down) <= ratio * min(across, down)
    )
    return (across, down) if plausible else (0, 0)


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I;16") or picture.mode in {"I", "F"}:
        return _stretched(picture).convert("RGB")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return picture.convert("RGB")


def _stretched(picture: Image.Image) -> Image.Image:
    """Spread 16-bit or floating-point greys over 8 bits; a plain conversion would cut off all above 255."""
    values = np.asarray(picture, dtype=np.float32)
    low, high = float(values.min()), float(values.max())
    return Image.fromarray(((values - low) * (255 / ((high - low) or 1.0))).astype(np.uint8))

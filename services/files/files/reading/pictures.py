"""Decodes pictures: checks their size before any pixel, and returns upright RGB."""

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image, ImageOps

from files.reading.limits import ReadLimits
from files.reading.malware import refuse_eicar
from files.reading.refusal import Code, Refused

OCR_SIDE = 3_600
"""About 12 megapixels at most: more shows no more text, and takes memory."""
AVERAGED = frozenset({"RGB", "L", "CMYK", "RGBA", "LA", "YCbCr"})
DAMAGED = (
    *(OSError, SyntaxError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError),
    *(ArithmeticError, struct.error),
)
"""What Pillow's decoders raise on damaged files."""
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


def pages(path: Path, media_type: str, limits: ReadLimits) -> Iterator[tuple[Image.Image, int]]:
    """Yield the pictures of a file, upright and of a size for OCR, each with their count: pages of a TIFF, else one."""
    with decoding():
        picture = _opened(path, media_type, limits)
    with picture:
        with decoding():
            count = frame_count(picture, media_type, limits)
        for index in range(count):
            with decoding():
                picture.seek(index)
                refuse_large(picture.width, picture.height, limits)
                page = normalised(picture)
            yield page, count


def reduced(path: Path, media_type: str, limits: ReadLimits, side: int) -> Image.Image:
    """Return the first picture, upright, with its longer side at most `side`; decoded no larger than needed."""
    with decoding(), _opened(path, media_type, limits) as picture:
        # A JPEG decodes to a half, quarter or eighth of its size in a fraction of the time.
        picture.draft("RGB", (side, side))
        return normalised(picture, side)


@contextlib.contextmanager
def decoding() -> Iterator[None]:
    """Turn what a decoder raises into Refused. Only decoding belongs inside: errors of ours must stay errors."""
    try:
        yield
    except (Image.DecompressionBombError, MemoryError) as error:
        raise Refused("too_large", "The picture has too many pixels. Send it in a lower resolution.") from error
    except DAMAGED as error:
        code: Code = "bomb" if "exceeds" in str(error) or "Decompressed" in str(error) else "corrupt"
        raise Refused(code, "The picture is damaged or incomplete. Take or export it again and send it.") from error


def _opened(path: Path, media_type: str, limits: ReadLimits) -> Image.Image:
    """Open a picture of an allowed size: this reads its header only."""
    Image.MAX_IMAGE_PIXELS = limits.pixels
    picture = Image.open(path, formats=FORMATS[media_type])
    with contextlib.ExitStack() as stack:
        stack.enter_context(picture)
        refuse_large(picture.width, picture.height, limits)
        _refuse_infected_comments(picture)
        stack.pop_all()
    return picture


def _refuse_infected_comments(picture: Image.Image) -> None:
    """Refuse a picture with the test string in a comment, which may be packed."""
    for comment in picture.info.values():
        if isinstance(comment, str | bytes):
            refuse_eicar(comment if isinstance(comment, bytes) else comment.encode(errors="replace"))


def refuse_large(width: int, height: int, limits: ReadLimits) -> None:
    """Refuse a picture by what its header says, before it takes memory."""
    if width * height > limits.pixels or max(width, height) > limits.side:
        raise Refused("too_large", f"The picture has {width} × {height} pixels, which is too many. Send a smaller one.")


def frame_count(picture: Image.Image, media_type: str, limits: ReadLimits) -> int:
    """Return how many pictures of the file are read: the pages of a TIFF, else the first frame."""
    # The further pictures of a JPEG are a phone's own (MPO: depth, a second lens), and are never decoded.
    count: int = 1 if media_type == "image/jpeg" else getattr(picture, "n_frames", 1)
    if count > limits.frames:
        raise Refused(
            "too_many_frames", f"The picture has more than {limits.frames} frames. Send one picture per file."
        )
    return count if media_type == "image/tiff" else 1


def normalised(picture: Image.Image, longest: int = OCR_SIDE) -> Image.Image:
    """Return an upright RGB picture with square pixels, white behind transparency, and sides of at most `longest`."""
    picture.draft("RGB", (longest, longest))
    # Before colours are converted, so that a large picture is in memory only once; a palette cannot be averaged.
    if picture.mode in AVERAGED and max(picture.size) > longest:
        picture.thumbnail((longest, longest), Image.Resampling.LANCZOS, reducing_gap=2.0)
    image = _rgb(_with_square_pixels(ImageOps.exif_transpose(picture)))
    image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
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

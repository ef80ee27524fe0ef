"""What a file is, by its content: an allow-list. The name only settles what the content leaves open (CSV or text)."""

import mmap
import zipfile
from pathlib import Path
from typing import Literal

import filetype

from files.reading.office.archive import unpacking
from files.reading.refusal import Refused

MediaType = Literal[
    "image/jpeg",
    "image/png",
    "image/webp",
    "image/heic",
    "image/tiff",
    "image/gif",
    "application/pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "text/csv",
    "text/plain",
]
DOCX: MediaType = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX: MediaType = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PDF: MediaType = "application/pdf"
IMAGES: dict[str, MediaType] = {
    "image/jpeg": "image/jpeg",
    "image/png": "image/png",
    "image/apng": "image/png",
    "image/webp": "image/webp",
    "image/heic": "image/heic",
    "image/tiff": "image/tiff",
    "image/gif": "image/gif",
}
EXTENSIONS = frozenset(
    {"jpg", "jpeg", "png", "webp", "heic", "heif", "tif", "tiff", "gif", "pdf", "docx", "xlsx", "csv", "txt"}
)
HEAD = 8_192
MARKUP = (b"<html", b"<!doctype html", b"<script", b"<?php", b"<iframe")
FOREIGN_TEXT = (
    b"<?xml",
    b"<!--",
    b"<svg",
    b"<!doctype",
    b"<html",
    b"<script",
    b"<?php",
    b"{\\rtf",
    b"%!ps",
    b"#!/",
    b"mz",
)
CONTROLS = bytes(set(range(32)) - set(b"\t\r\n\f"))
OLE = bytes.fromhex("d0cf11e0a1b11ae1")
OPENABLE = "Send it as PDF, JPEG, PNG, WebP, HEIC, TIFF, GIF, DOCX, XLSX, CSV or plain text."


def media_type(path: Path, declared_name: str) -> MediaType:
    """Return the type of a file's content. Raises Refused for what is empty, not allowed, or two types at once."""
    if path.stat().st_size == 0:
        raise Refused("empty", "The file is empty. Choose the file again and send it once more.")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        head = content[:HEAD]
        kind = filetype.guess_mime(head)
        if head.startswith(OLE):
            raise _ole(content)
        if kind in IMAGES:
            _refuse_polyglot_image(path, content)
            return IMAGES[kind]
        if head.lstrip(b"\xef\xbb\xbf \t\r\n\x00").startswith(b"%PDF-"):
            _refuse_polyglot_pdf(content)
            return PDF
        if b"%PDF-" in head:
            raise Refused("type_mismatch", "Other data stands before the PDF in this file. Save it as PDF once more.")
        if head.startswith(b"PK"):
            return _office(path, declared_name)
    if kind is None and _is_text(head):
        return "text/csv" if declared_name.lower().endswith((".csv", ".tsv")) else "text/plain"
    raise _not_allowed(declared_name)


def _refuse_polyglot_image(path: Path, content: mmap.mmap) -> None:
    """Refuse a picture that is also a web page, a PDF or an archive. A motion photo's video at the end is neither."""
    lower = content[:].lower()
    if any(mark in lower for mark in MARKUP) or b"%pdf-" in lower or zipfile.is_zipfile(path):
        raise Refused("type_mismatch", "The picture contains another kind of file. Take the picture again and send it.")


def _refuse_polyglot_pdf(content: mmap.mmap) -> None:
    """Refuse an archive or a web page behind the end of a PDF. Inside it they would be attachments."""
    end = content.rfind(b"%%EOF")
    tail = content[end:].lower() if end >= 0 else b""
    if b"pk\x03\x04" in tail or any(mark in tail for mark in MARKUP):
        raise Refused("type_mismatch", "Other data stands behind the PDF in this file. Save it as PDF once more.")


def _office(path: Path, declared_name: str) -> MediaType:
    with unpacking(), zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
    if "word/document.xml" in names:
        return DOCX
    if "xl/workbook.xml" in names:
        return XLSX
    raise _not_allowed(declared_name)


def _ole(content: mmap.mmap) -> Refused:
    """Word and Excel put an encrypted document into the older container, under the name EncryptedPackage."""
    if content.find("EncryptedPackage".encode("utf-16-le")) >= 0:
        return Refused("encrypted", "The file needs a password. Remove the password and send it again.")
    return Refused("type_not_allowed", "Documents of older Office versions are not read. Save it as DOCX, XLSX or PDF.")


def _is_text(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head.decode("utf-16", errors="ignore").encode(errors="ignore")
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    controls = sum(byte in CONTROLS for byte in head)
    return controls == 0 and not start.startswith(FOREIGN_TEXT)


def _not_allowed(declared_name: str) -> Refused:
    extension = declared_name.rpartition(".")[2].lower()
    if extension in EXTENSIONS:
        return Refused(
            "type_mismatch", f"The content of this file is not what its name says (.{extension}). {OPENABLE}"
        )
    return Refused("type_not_allowed", f"Files of this kind are not read. {OPENABLE}")

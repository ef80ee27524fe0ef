"""Reads plain text and CSV. The encoding is UTF-8, UTF-16 with its mark, or Windows-1252."""

import csv
from pathlib import Path

from files.domain.document import Document
from files.reading.limits import ReadLimits
from files.reading.malware import refuse_eicar
from files.reading.refusal import Refused
from files.reading.text_layout import Row, as_page

DELIMITERS = ",;\t|"
SNIFFED = 8_192


def read(path: Path, media_type: str, limits: ReadLimits) -> Document:
    """Read all lines as one page; the cells of a CSV row are the words of its line."""
    content = path.read_bytes()
    text, notices = _decode(content)
    refuse_eicar(text.encode(errors="replace"))
    if not text.strip():
        raise Refused("empty", "The file holds nothing but spaces. Choose the file again and send it once more.")
    rows: list[Row] = [*_cells(text)] if media_type == "text/csv" else [*text.splitlines()]
    if sum(map(_values, rows)) > limits.cells:
        raise Refused("too_large", f"The file has more than {limits.cells} values. Send a part of it.")
    return Document(media_type, (as_page(rows, 1),), (), notices)


def _values(row: Row) -> int:
    return len(row.split()) if isinstance(row, str) else len(row)


def _decode(content: bytes) -> tuple[str, tuple[str, ...]]:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return content.decode("utf-16"), ("decoded_as_utf16",)
        except UnicodeDecodeError as error:
            raise Refused("corrupt", "The text is damaged. Save it as UTF-8 and send it again.") from error
    try:
        return content.decode("utf-8-sig"), ()
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace"), ("decoded_as_cp1252",)


def _cells(text: str) -> list[list[str]]:
    try:
        dialect: type[csv.Dialect] | csv.Dialect = csv.Sniffer().sniff(text[:SNIFFED], DELIMITERS)
    except csv.Error:
        dialect = csv.excel
    try:
        return list(csv.reader(text.splitlines(), dialect))
    except csv.Error as error:
        raise Refused("corrupt", f"The table cannot be read: {error}. Save it as CSV again.") from error

"""Checks the archive of a DOCX or XLSX before a library opens it: its size when unpacked, macros, embedded files."""

import errno
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from files.reading.limits import ReadLimits
from files.reading.malware import refuse_eicar
from files.reading.refusal import Refused

MOST_MEMBERS = 10_000
HIGHEST_RATIO = 200
SUSPICIOUS_BYTES = 20_000_000
"""Small members may be packed as tightly as they like: a sheet of zeros is no attack."""
DAMAGE = (
    zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, ValueError, NotImplementedError, zlib.error, lzma.LZMAError,
)  # fmt: skip
"""What zipfile and its decoders raise for a damaged archive, or for a packing that documents do not use."""
OF_THE_FILE = (None, errno.EINVAL)
"""Numbers of the OSErrors that damage causes: bz2 gives none, and an offset before the file is EINVAL."""
ARCHIVE = b"PK\x03\x04"
DEEPEST = 3
MACROS = re.compile(r"(vbaProject\.bin|vbaData\.xml|/activeX/|/macrosheets/|customUI)", re.IGNORECASE)
EMBEDDED = re.compile(r"(oleObject[^/]*\.bin|/embeddings/[^/]+\.(?!xlsx$)[^/.]+)$", re.IGNORECASE)
"""Other files inside; the workbook behind a chart is none."""
TYPE_DEFINITION = re.compile(rb"<!(DOCTYPE|ENTITY)")
REMOTE = re.compile(rb"(attachedTemplate|oleObject|/frame|subDocument)\"[^>]*TargetMode=\"External\"")
REMOTE_REVERSED = re.compile(rb"TargetMode=\"External\"[^>]*(attachedTemplate|oleObject|/frame|subDocument)\"")
DYNAMIC_EXCHANGE = re.compile(rb"<ddeLink|>\s*DDE(AUTO)?\s", re.IGNORECASE)


@contextmanager
def unpacking() -> Iterator[None]:
    """Refuse an archive that zipfile finds damaged or locked; an error of the machine says nothing of the file."""
    try:
        yield
    except DAMAGE as error:
        raise damaged() from error
    except OSError as error:
        if error.errno not in OF_THE_FILE:
            raise
        raise damaged() from error
    except RuntimeError as error:  # zipfile's error for a member that needs a password
        raise Refused("encrypted", "The file needs a password. Remove the password and send it again.") from error


def refuse_dangerous(path: Path, limits: ReadLimits) -> None:
    """Check names and declared sizes, then the real content of each member. Raises Refused."""
    _refuse_members(path, limits, depth=0)


def _refuse_members(source: Path | IO[bytes], limits: ReadLimits, depth: int) -> None:
    with unpacking(), zipfile.ZipFile(source) as archive:
        members = archive.infolist()
        _refuse_bomb(members, limits)
        for member in members:
            _refuse_member(member.filename)
        for member in members:
            content = _content(archive, member)
            _refuse_content(member.filename, content)
            if content.startswith(ARCHIVE):
                _refuse_inner(member.filename, content, limits, depth + 1)


def _refuse_inner(name: str, content: bytes, limits: ReadLimits, depth: int) -> None:
    """Look into an archive inside: only the workbook behind a chart is none that was hidden."""
    if depth > DEEPEST:
        raise bomb()
    _refuse_members(io.BytesIO(content), limits, depth)
    if not name.lower().endswith(".xlsx"):
        raise embedded()


def _refuse_bomb(members: list[zipfile.ZipInfo], limits: ReadLimits) -> None:
    unpacked = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members)
    ratio = unpacked / (packed or 1)
    if unpacked > limits.expanded_bytes or len(members) > MOST_MEMBERS:
        raise bomb()
    if unpacked > SUSPICIOUS_BYTES and ratio > HIGHEST_RATIO:
        raise bomb()


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Unpack a member. zipfile stops at the declared size and compares the checksum: more than declared is damage."""
    with archive.open(member) as packed:
        return packed.read(member.file_size + 1)


def _refuse_member(name: str) -> None:
    if MACROS.search(name):
        raise active()
    if EMBEDDED.search(name):
        raise embedded()


def _refuse_content(name: str, content: bytes) -> None:
    refuse_eicar(content)
    if not name.lower().endswith((".xml", ".rels", ".vml")):
        return
    if TYPE_DEFINITION.search(content.replace(b"\x00", b"")):
        raise bomb()
    if b"macroEnabled" in content and name == "[Content_Types].xml":
        raise active()
    if REMOTE.search(content) or REMOTE_REVERSED.search(content) or DYNAMIC_EXCHANGE.search(content):
        raise active()


def bomb() -> Refused:
    """The refusal of an archive that unpacks to far more than a document."""
    return Refused("bomb", "The file unpacks to far more than a document holds. Save it again, or send it as PDF.")


def embedded() -> Refused:
    """The refusal of a document that carries other files."""
    return Refused("embedded_file", "Other files are embedded in the document. Send them one by one.")


def active() -> Refused:
    """The refusal of a document with macros or remote parts."""
    return Refused(
        "active_content", "The document contains macros or loads remote parts. Save it as PDF and send that."
    )


def damaged() -> Refused:
    """The refusal of a document that cannot be opened."""
    return Refused("corrupt", "The document is damaged or incomplete. Save it again and send it once more.")

"""A zip from outside, opened with suspicion: nothing is unpacked to disk, and every size has a limit."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from gateway.roster_import.oneroster.errors import RosterRefused

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes, counts, and how many bytes one compressed byte may become (a deflate bomb reaches 1,000)."""

    archive: int = 128 * MIB
    directory: int = 256 * 1024
    file: int = 512 * MIB
    total: int = 1024 * MIB
    ratio: int = 200
    entries: int = 200
    rows: int = 3_000_000


END_OF_DIRECTORY = struct.Struct("<4s4H2LH")
ZIP64_LOCATOR = b"PK\x06\x07"
ZIP64_LOCATOR_SIZE = 20
MAX_COMMENT = 65_535
ENCRYPTED = 0x1 | 0x40  # by a password, or strongly
PATCHED = 0x20
METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
RATIO_FLOOR = MIB  # a small file may compress as well as it likes
BUFFER = 256 * 1024


class Archive:
    """The checked zip. `names` are the files at its root."""

    def __init__(self, source: str | Path | BinaryIO, limits: Limits) -> None:
        self._own = open(source, "rb") if isinstance(source, (str, Path)) else None  # noqa: SIM115, PTH123
        stream: BinaryIO = self._own if self._own is not None else source  # type: ignore[assignment]
        self.limits = limits
        try:
            _check_outside(stream, limits)
            self._zip = _open(stream)
            self._entries = _check_entries(self._zip.infolist(), limits)
        except BaseException:
            self.close()
            raise

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._entries)

    def size(self, name: str) -> int:
        return self._entries[name].file_size

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """A buffered stream of one file. Damage anywhere in it raises RosterRefused."""
        try:
            with self._zip.open(self._entries[name]) as raw:
                yield io.BufferedReader(raw, BUFFER)  # type: ignore[type-var]
        except (zipfile.BadZipFile, EOFError, zlib.error) as error:
            raise RosterRefused("zip_damaged", f"{name} in the zip is damaged; make the zip again") from error

    def close(self) -> None:
        if self._own is not None:
            self._own.close()


def _check_outside(stream: BinaryIO, limits: Limits) -> None:
    """Checks sizes before zipfile reads the directory: a directory of a million names costs a gigabyte."""
    size = stream.seek(0, io.SEEK_END)
    if size > limits.archive:
        raise RosterRefused("zip_too_large", f"the zip is larger than {limits.archive // MIB} MiB")
    tail_size = min(size, MAX_COMMENT + END_OF_DIRECTORY.size + ZIP64_LOCATOR_SIZE)
    stream.seek(size - tail_size)
    tail = stream.read(tail_size)
    stream.seek(0)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < END_OF_DIRECTORY.size:
        raise RosterRefused("not_a_zip", "the upload is not a zip file")
    directory = END_OF_DIRECTORY.unpack_from(tail, at)[5]
    if tail[max(0, at - ZIP64_LOCATOR_SIZE) : at].startswith(ZIP64_LOCATOR) or directory > limits.directory:
        raise RosterRefused("zip_too_many_entries", "the zip holds more files than a roster has")


def _open(stream: BinaryIO) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(stream)
    except (zipfile.BadZipFile, EOFError, ValueError, OSError, struct.error) as error:
        raise RosterRefused("not_a_zip", "the upload is not a zip file, or it is damaged") from error
    except RuntimeError as error:  # so zipfile refuses a format newer than its own
        raise RosterRefused("zip_method", f"the zip cannot be read here ({error}); make it with deflate") from error


def _check_entries(entries: list[zipfile.ZipInfo], limits: Limits) -> dict[str, zipfile.ZipInfo]:
    if len(entries) > limits.entries:
        raise RosterRefused("zip_too_many_entries", "the zip holds more files than a roster has")
    if sum(entry.file_size for entry in entries) > limits.total:
        raise RosterRefused("zip_too_large", f"the files are larger than {limits.total // MIB} MiB together")
    root: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        _check_entry(entry, limits)
        if entry.filename in root:
            raise RosterRefused("zip_name_twice", "the zip holds two files of the same name")
        if "/" not in entry.filename:
            root[entry.filename] = entry
    return root


def _check_entry(entry: zipfile.ZipInfo, limits: Limits) -> None:
    name = entry.orig_filename
    if name.startswith(("/", "~")) or "\\" in name or ":" in name or "\0" in name or ".." in name.split("/"):
        raise RosterRefused("zip_unsafe_name", "the zip holds a file name that points outside of it")
    if entry.flag_bits & ENCRYPTED:
        raise RosterRefused("zip_encrypted", "the zip is encrypted; send it without a password")
    if entry.compress_type not in METHODS or entry.flag_bits & PATCHED:
        raise RosterRefused("zip_method", "the zip uses a compression other than deflate")
    if entry.file_size > limits.file:
        raise RosterRefused("zip_too_large", f"a file in the zip is larger than {limits.file // MIB} MiB")
    # zipfile returns at most file_size bytes for any data, so the directory's figure is a bound.
    if entry.file_size > RATIO_FLOOR and entry.file_size > limits.ratio * entry.compress_size:
        raise RosterRefused("zip_bomb", f"a file in the zip grows more than {limits.ratio} times when unpacked")

"""Uploads that mean harm or are no roster: refused as a whole, with a code, before anything is used."""

import io
import os
import struct
import zipfile

import pytest

from gateway.roster_import.oneroster import Limits, RosterRefused, read

MANIFEST = "propertyName,value\noneroster.version,1.1\nfile.orgs,bulk\n"


def _zip(entries: dict[str, bytes]) -> io.BytesIO:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    packed.seek(0)
    return packed


def _code(packed, limits: Limits | None = None) -> str:
    with pytest.raises(RosterRefused) as refused:
        read(packed, limits=limits)
    return refused.value.code


def test_not_a_zip():
    assert _code(io.BytesIO(b"")) == "not_a_zip"
    assert _code(io.BytesIO(b"sourcedId,name\n1,x\n" * 1000)) == "not_a_zip"
    assert _code(io.BytesIO(b"PK\x05\x06" + b"\xff" * 18)) in {"not_a_zip", "zip_too_many_entries"}


def test_a_zip_cut_short(pack):
    whole = pack().getvalue()
    assert _code(io.BytesIO(whole[: len(whole) // 2])) == "not_a_zip"


def test_a_damaged_file_is_found_before_anything_is_used(pack, orgs):
    packed = pack().getvalue()
    archive = zipfile.ZipFile(io.BytesIO(packed))
    entry = archive.getinfo("enrollments.csv")
    at = entry.header_offset + 30 + len(entry.filename) + 20
    broken = packed[:at] + bytes([packed[at] ^ 0xFF]) + packed[at + 1 :]
    assert _code(io.BytesIO(broken)) == "zip_damaged"


@pytest.mark.parametrize("name", ["../users.csv", "/etc/users.csv", "a/../../b.csv", "..\\users.csv", "C:users.csv"])
def test_a_name_that_points_outside(name, orgs):
    assert _code(_zip({"manifest.csv": MANIFEST.encode(), "orgs.csv": orgs.encode(), name: b"x"})) == "zip_unsafe_name"


def test_an_encrypted_zip(orgs):
    packed = bytearray(_zip({"manifest.csv": MANIFEST.encode(), "orgs.csv": orgs.encode()}).getvalue())
    directory = packed.find(b"PK\x01\x02")
    packed[directory + 8] |= 1
    assert _code(io.BytesIO(bytes(packed))) == "zip_encrypted"


def test_another_compression(orgs):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("manifest.csv", MANIFEST)
    assert _code(packed) == "zip_method"


@pytest.mark.parametrize(
    ("at", "bits", "code"),
    [(6, 99, "zip_method"), (8, 0x20, "zip_method"), (8, 0x40, "zip_encrypted")],
    ids=["a newer format", "patched data", "strong encryption"],
)
def test_what_no_ordinary_zip_program_writes(orgs, at, bits, code):
    packed = bytearray(_zip({"manifest.csv": MANIFEST.encode(), "orgs.csv": orgs.encode()}).getvalue())
    directory = packed.find(b"PK\x01\x02")
    packed[directory + at] |= bits
    assert _code(io.BytesIO(bytes(packed))) == code


def test_a_bomb_is_refused_by_its_ratio():
    bomb = _zip({"manifest.csv": MANIFEST.encode(), "orgs.csv": b"0" * 20_000_000})
    assert len(bomb.getvalue()) < 30_000
    assert _code(bomb) == "zip_bomb"


def test_sizes_have_limits(orgs):
    noise = os.urandom(60_000)
    packed = _zip({"manifest.csv": MANIFEST.encode(), "orgs.csv": noise, "users.csv": noise})
    assert _code(packed, Limits(archive=100_000)) == "zip_too_large"
    assert _code(packed, Limits(file=50_000)) == "zip_too_large"
    assert _code(packed, Limits(total=100_000)) == "zip_too_large"


def test_a_directory_of_many_names_is_not_even_read():
    many = _zip({f"{n:060}.csv": b"" for n in range(3000)})
    assert _code(many) == "zip_too_many_entries"
    assert _code(many, Limits(directory=10_000_000)) == "zip_too_many_entries"


def test_a_zip64_directory_is_not_read(orgs):
    packed = _zip({"manifest.csv": MANIFEST.encode(), "orgs.csv": orgs.encode()}).getvalue()
    at = packed.rfind(b"PK\x05\x06")
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, 0, 1)
    assert _code(io.BytesIO(packed[:at] + locator + packed[at:])) == "zip_too_many_entries"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name(orgs):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("manifest.csv", MANIFEST)
        archive.writestr("orgs.csv", orgs)
        archive.writestr("orgs.csv", orgs)
    assert _code(packed) == "zip_name_twice"


@pytest.mark.parametrize(
    ("manifest", "code"),
    [
        ("propertyName,value\noneroster.version,1.0\nfile.orgs,bulk\n", "version_unknown"),
        ("propertyName,value\nfile.orgs,bulk\n", "version_unknown"),
        ("propertyName,value\noneroster.version,1.1\nfile.orgs,everything\n", "manifest_invalid"),
        ("propertyName,value\noneroster.version,1.1\nfile.users,bulk\n", "file_missing"),
        ("propertyName,value\noneroster.version,1.1\nfile.orgs,absent\n", "roster_empty"),
        ('propertyName,value\noneroster.version,"1.1\n', "manifest_invalid"),
        ("name,value\noneroster.version,1.1\n", "column_missing"),
        ("propertyName,value\n" + "x,y\n" * 50_000, "manifest_invalid"),
    ],
)
def test_a_manifest_that_does_not_fit(pack, orgs, manifest, code):
    assert _code(pack({"orgs": orgs}, only=True, manifest=manifest)) == code


def test_no_manifest_or_one_in_a_folder(orgs):
    assert _code(_zip({"orgs.csv": orgs.encode()})) == "manifest_missing"
    assert _code(_zip({"roster/manifest.csv": MANIFEST.encode(), "roster/orgs.csv": b""})) == "manifest_missing"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"", "header_unreadable"),
        (b"sourcedId,status\nn,\n", "column_missing"),
        (b"sourcedId,name,type,name\nn,N,school,N\n", "column_twice"),
        ("sourcedId,name,type\nn,N,school\n".encode("utf-16"), "not_utf8"),
        ("sourcedId,name,type\nn,N,school\n".encode("utf-16-le"), "not_utf8"),
        ("sourcedId,näme,name,type\nn,,N,school\n".encode("latin-1"), "header_unreadable"),
        (b"x," * 70_000, "header_unreadable"),
    ],
)
def test_a_header_that_cannot_be_used(pack, text, code):
    assert _code(pack({"orgs": text}, only=True)) == code


def test_the_header_of_the_streamed_file_is_checked_at_once(pack):
    assert _code(pack({"enrollments": "sourcedId,role\ne1,student\n"})) == "column_missing"


def test_rows_have_a_limit(pack):
    assert _code(pack(), Limits(rows=3)) == "too_many_rows"

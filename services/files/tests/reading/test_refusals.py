"""Hostile and broken files: each is refused with its code and a sentence that says what to do."""

import errno
import zlib

import pytest

from files.reading.limits import ReadLimits
from files.reading.office.archive import unpacking
from files.reading.reader import read_document
from files.reading.refusal import Refused
from services.files.tests.reading.hostile_files import HOSTILE

LIMITS = ReadLimits(file_bytes=30_000_000, pages=20, frames=5, expanded_bytes=40_000_000)


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_file_is_refused_with_its_code(case, tmp_path):
    name, make, code = HOSTILE[case]
    path = tmp_path / "file"
    path.write_bytes(make())

    with pytest.raises(Refused) as refused:
        read_document(path, declared_name=name, limits=LIMITS, on_page=lambda *_: None)

    assert refused.value.code == code
    assert refused.value.message.endswith(".")


@pytest.mark.parametrize("damage", [zlib.error("x"), OSError("Invalid data stream"), NotImplementedError("method 97")])
def test_what_a_damaged_archive_raises_is_a_refusal(damage):
    with pytest.raises(Refused) as refused, unpacking():
        raise damage
    assert refused.value.code == "corrupt"


def test_an_error_of_the_machine_is_no_damage_of_the_file():
    with pytest.raises(OSError, match="disk"), unpacking():
        raise OSError(errno.EIO, "disk")

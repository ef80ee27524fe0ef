"""Each hostile file goes through the limited child: its verdict, its time, its memory, and the file after it.

A child takes a second of a core, so that a run reads a share of the files, chosen by pytest-randomly's seed: each run
reads others, and the seed that a run prints repeats its own. `make accuracy ONLY=hostile` reads all.
`ARGS="services/files/tests/reading/test_hostile_files.py -k NAME"` reads the files of that name, with HOSTILE_SHARE=1.
"""

import asyncio
import contextlib
import os
import re
from pathlib import Path

import psutil
import pytest

from files.domain.finding import Hints
from files.reading.limits import ReadLimits
from files.reading.sandbox import read_file
from services.files.tests.reading import made_files as made
from services.files.tests.reading.hostile_files import HOSTILE
from services.files.tests.reading.hostile_office import HOSTILE_OFFICE
from services.files.tests.reading.hostile_pdfs import HOSTILE_PDFS
from services.files.tests.reading.hostile_pictures import HOSTILE_PICTURES
from services.files.tests.reading.hostile_texts import HOSTILE_TEXTS

KNOWN_LIMITS = ReadLimits(file_bytes=30_000_000, pages=20, frames=5, expanded_bytes=40_000_000)
LIMITS = ReadLimits()
SECONDS = 20
BYTES = 1_500_000_000
HARMLESS = "harmless"
"""The verdict may be any: what counts is that the reader holds its limits."""
SHARE = int(os.environ.get("HOSTILE_SHARE", "8"))
"""One in how many files is read."""
PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


class Watch:
    """The processor time and the peak of memory of children that read files, by their ends."""

    def __init__(self) -> None:
        self.bytes = 0
        self.seconds = 0.0

    async def run(self):
        """Look every few milliseconds; the kernel keeps the peak in between."""
        while True:
            for child in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error, OSError):
                    if "files.reading" in " ".join(child.cmdline()):
                        self.seconds = max(self.seconds, sum(child.cpu_times()[:2]))
                        found = PEAK.search(Path(f"/proc/{child.pid}/status").read_text())  # noqa: ASYNC240  # memory
                        self.bytes = max(self.bytes, int(found[1]) * 1_024 if found else 0)
            await asyncio.sleep(0.02)


@pytest.fixture
async def watch():
    watched = Watch()
    task = asyncio.create_task(watched.run())
    yield watched
    task.cancel()


async def verdict(path, name, content, limits=LIMITS, kind="payment_receipt"):
    path.write_bytes(content)
    reading = await read_file(
        path, name=name, kind=kind, hints=Hints(None), limits=limits, on_progress=lambda *_: None, out=path.parent
    )
    assert reading.verdict == "accepted" or reading.message.endswith(".")
    return reading.reason or reading.verdict


def cases():
    for kind in (HOSTILE, HOSTILE_PDFS, HOSTILE_PICTURES, HOSTILE_OFFICE, HOSTILE_TEXTS):
        for case, (name, make, code) in kind.items():
            yield pytest.param(name, make, code, KNOWN_LIMITS if kind is HOSTILE else LIMITS, id=case)


def pytest_generate_tests(metafunc):
    """Choose the files of this run."""
    if "make" in metafunc.fixturenames:
        seed = metafunc.config.getoption("randomly_seed", 0)
        first = seed % SHARE if isinstance(seed, int) else 0
        metafunc.parametrize(("name", "make", "code", "limits"), list(cases())[first::SHARE])


async def test_hostile_file_ends_within_its_limits(name, make, code, limits, tmp_path, watch):
    content = make()

    found = await verdict(tmp_path / "file", name, content, limits)

    assert code in {found, HARMLESS}
    assert watch.bytes <= BYTES
    # Processor time: by the clock it depends on what else the machine does.
    assert watch.seconds <= SECONDS


async def test_file_after_hostile_ones_is_read(tmp_path):
    """A child that aborts, one that is refused and one that runs out of memory change nothing for the next file."""
    for case in ("drawings inside drawings", "stream of a gigabyte", "ten thousand pages"):
        name, make, _ = HOSTILE_PDFS[case]
        await verdict(tmp_path / "file", name, make())

        assert await verdict(tmp_path / "next", "next.pdf", made.pdf(), kind="other") == "accepted"

"""Files are read in a child process with limits; what breaks a limit is refused, and nothing else is harmed."""

import asyncio
import subprocess
import sys
import zlib
from pathlib import Path

import psutil
import pytest
from PIL import Image

from files.domain.finding import Hints
from files.reading.limits import ReadLimits
from files.reading.sandbox import ReaderFailed, read_file
from services.files.tests.reading import made_files as made
from services.files.tests.reading.hostile_files import huge_png
from shared.testing.fixtures import eventually

LIMITS = ReadLimits()


@pytest.fixture
def read(tmp_path):
    async def read(
        content: bytes, *, name="file.pdf", kind="other", limits=LIMITS, on_progress=lambda *_: None, **more
    ):
        path = tmp_path / "file"
        path.write_bytes(content)
        return await read_file(
            path, name=name, kind=kind, hints=Hints(None), limits=limits, on_progress=on_progress, out=tmp_path, **more
        )

    return read


def children():
    return [child for child in psutil.Process().children(recursive=True) if "files.reading" in " ".join(cmdline(child))]


def cmdline(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []


async def test_file_is_read_with_progress_text_and_thumbnails(read, tmp_path):
    progress = []

    reading = await read(made.pdf(pages=3), on_progress=lambda *page: progress.append(page), with_text=True)

    assert (reading.verdict, reading.reason, reading.pages) == ("accepted", None, 3)
    assert reading.media_type == "application/pdf"
    assert reading.text == (("Total EUR 45.00 paid with thanks",),) * 3
    assert progress == [(1, 3), (2, 3), (3, 3)]
    sizes = {}
    for size, name in reading.thumbnails.items():
        with Image.open(tmp_path / name) as thumbnail:
            sizes[size] = thumbnail.size
    assert sizes == {"1024": (724, 1024), "256": (181, 256)}


async def test_fields_come_with_their_places(read):
    receipt = "Receipt) Tj 0 -30 Td (Date 2026-11-03) Tj 0 -30 Td (Total EUR 45.00"

    reading = await read(made.pdf(text=receipt), kind="payment_receipt")

    assert reading.finding.fields["total"].value == "45.00"
    assert reading.finding.fields["total"].box is not None


@pytest.mark.parametrize("name", ["../../etc/passwd", "a\x00b\x1b[2J\n.pdf", "--kind", "-", "é" * 5_000, "\ud800.pdf"])
async def test_name_of_any_form_is_only_text(read, name):
    assert (await read(made.pdf(), name=name)).verdict == "accepted"


async def test_content_that_takes_too_long_is_a_timeout_and_the_next_file_is_read(read):
    content = zlib.compress(b"BT /F1 9 Tf 1 0 0 1 9 9 Tm (aaaaaaaaaaaaaaaaaaaa) Tj ET\n" * 1_500_000, 9)
    hostile = made.pdf().replace(
        b"/Contents 11 0 R", b"/Contents 100 0 R"
    ) + b"100 0 obj\n<< /Filter /FlateDecode /Length %d >>\nstream\n%b\nendstream\nendobj\n" % (len(content), content)

    reading = await read(hostile, limits=ReadLimits(hostile_seconds=3))

    assert (reading.verdict, reading.reason) == ("refused", "timeout")
    assert (await read(made.pdf())).verdict == "accepted"


async def test_file_that_needs_too_much_memory_is_refused(read):
    picture = made.saved(Image.new("RGBA", (9_000, 9_000)), "PNG")

    reading = await read(picture, name="a.png", limits=ReadLimits(memory_bytes=400_000_000))

    assert reading.reason in {"bomb", "too_large"}


async def test_huge_picture_takes_no_memory(read):
    watch = asyncio.create_task(peak_memory())

    reading = await read(huge_png(), name="a.png")

    watch.cancel()
    assert reading.reason == "too_large"


async def peak_memory():
    while True:
        for child in children():
            assert child.memory_info().rss < LIMITS.memory_bytes
        await asyncio.sleep(0.02)


async def test_cancel_ends_the_child_in_the_middle_of_a_scan(read):
    pages = [made.picture((f"Page {number}",), size=(600, 300)) for number in range(50)]
    read_pages = []
    task = asyncio.create_task(
        read(
            made.saved(pages[0], "PDF", save_all=True, append_images=pages[1:]),
            on_progress=lambda *page: read_pages.append(page),
        )
    )
    await eventually(lambda: asyncio.sleep(0, read_pages), lambda found: len(found) >= 1, within=60)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(read_pages) < 50
    assert children() == []


async def test_error_of_the_reader_itself_is_no_fault_of_the_file(read):
    with pytest.raises(ReaderFailed, match="invalid choice"):
        await read(made.pdf(), kind="poem")


def test_document_with_a_text_layer_loads_no_ocr(tmp_path: Path):
    path = tmp_path / "a.pdf"
    path.write_bytes(made.pdf())
    code = (
        "import sys; from pathlib import Path; from files.reading.reader import read_document;"
        "from files.reading.limits import ReadLimits; import files.reading.child;"
        "read_document(Path(sys.argv[1]), declared_name='a', limits=ReadLimits(), on_page=lambda *_: None);"
        "print([name for name in ('onnxruntime', 'cv2', 'rapidocr') if name in sys.modules])"
    )

    assert run(code, str(path)) == "[]"


def run(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()

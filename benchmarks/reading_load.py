"""Reading files: thumbnails, text layers and OCR, each by the processor time and the memory that they take."""

import asyncio
import dataclasses
import datetime as dt
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pypdf
from PIL import Image

from benchmarks.harness import Lab, Report
from cli.demo.documents.maker import make_document, photograph
from cli.demo.paperwork import receipt_facts, transcript_facts
from files.domain.finding import Hints
from files.reading.limits import ReadLimits
from files.reading.reader import read_document
from files.reading.thumbnails import thumbnails

DAY = dt.date(2026, 11, 3)
LIMITS = ReadLimits()
OCR_DPI = 200
TWELVE_MEGAPIXELS = (4_000, 3_000)


async def measure(lab: Lab, report: Report) -> None:
    """A thumbnail in ≤ 250 ms; ≥ 100 pages of text/s; ≥ 0.4 pages of OCR/s a core, in ≤ 1.2 GB and ≤ 1 GB without."""
    with tempfile.TemporaryDirectory() as name:
        await asyncio.to_thread(_measure, Path(name), lab, report)


def _measure(folder: Path, lab: Lab, report: Report) -> None:
    photo = _written(folder / "photo.jpg", _photo())
    text = _written(folder / "text.pdf", _text_pdf(lab.size(100, 3)))
    scan = _written(folder / "scan.pdf", _scan_pdf(lab.size(10, 1)))

    def draw() -> None:
        thumbnails(photo, folder, "image/jpeg", LIMITS)

    def read() -> None:
        read_document(text, declared_name="text.pdf", limits=LIMITS, on_page=lambda *_: None)

    times = lab.size(5, 1)
    report.at_most("thumbnails of a 12-megapixel JPEG, processor time", _fastest(draw, times) * 1_000, "ms", 250)
    report.at_least("pages of a text PDF", lab.size(100, 3) / _fastest(read, times), "1/s", 100)
    _, memory = _child(text)
    report.at_most("… memory of the child at its peak", memory, "MB", 1_000)
    lab.say("reading scans")
    short, _ = _child(_written(folder / "one.pdf", _scan_pdf(1)))
    long, memory = _child(scan)
    # The difference leaves out the start of the child and of the models, which a document has once.
    pages = max(1, lab.size(10, 1) - 1)
    report.at_least("pages of OCR, by processor time", pages / max(long - short, 1e-3), "1/s", 0.4)
    report.figure("a scan of one page, with the start of its child", short, "s")
    report.at_most("… memory of the child at its peak", memory, "MB", 1_200)


def _fastest(work: Callable[[], None], times: int) -> float:
    """Return the processor seconds of the fastest turn: the others were disturbed."""

    def once() -> float:
        started = time.thread_time()
        work()
        return time.thread_time() - started

    return min(once() for _ in range(times))


def _child(path: Path) -> tuple[float, float]:
    """Read a file in a child, as the service does. Returns its processor seconds and its peak memory in megabytes."""
    hints = json.dumps(dataclasses.asdict(Hints(DAY)), default=str)
    argv = [sys.executable, "-m", "files.reading", "--name=file", "--kind=other", f"--hints={hints}", "--", str(path)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise ChildProcessError(f"the reader ended with code {child.returncode}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1_000


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _photo() -> bytes:
    """A picture with as much detail as a photo: noise, enlarged eight times."""
    width, height = TWELVE_MEGAPIXELS
    dots = np.random.default_rng(1).integers(0, 255, (height // 8, width // 8, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(dots).resize((width, height), Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
    return out.getvalue()


def _text_pdf(pages: int) -> bytes:
    one = pypdf.PdfReader(
        io.BytesIO(make_document("transcript", transcript_facts("Bela Demo", DAY), "transcript_ruled"))
    )
    out = io.BytesIO()
    with pypdf.PdfWriter() as writer:
        for _ in range(pages):
            writer.append(one)
        writer.write(out)
    return out.getvalue()


def _scan_pdf(pages: int) -> bytes:
    """A4 pages of a receipt as pictures of 200 dots per inch."""
    receipt = make_document("payment_receipt", receipt_facts("Bela Demo", DAY), "receipt_fee")
    with Image.open(io.BytesIO(photograph(receipt, OCR_DPI))) as page:
        out = io.BytesIO()
        page.save(out, "PDF", save_all=True, append_images=[page] * (pages - 1), resolution=float(OCR_DPI))
    return out.getvalue()

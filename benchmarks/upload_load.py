"""A large upload and its download, as one client sees them, and the memory that the gateway takes for them."""

import asyncio
import datetime as dt
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import psycopg

from benchmarks.harness import Lab, Report
from cli.testing.system import System
from shared.http.download_links import Download, DownloadLinks
from shared.http.tokens import Claims, sign
from shared.persistence.encryption import read_master_key
from shared.storage.keys import blob_key

MEGABYTE = 1_000_000
KIB = 1024
INSERT_SCHOOL = """
INSERT INTO gateway.school (school_id, sourced_id, name, timezone) VALUES (%s, 'bench', 'Demo', 'UTC')
"""


class Peak:
    """How much more memory a process has had at its peak, in MB."""

    def __init__(self, pid: int) -> None:
        self._process = Path(f"/proc/{pid}")
        # Sets the peak to what is resident now (proc(5)).
        (self._process / "clear_refs").write_text("5", encoding="ascii")
        self._before = self._high()

    def more(self) -> float:
        """Return the growth since the start."""
        return (self._high() - self._before) / MEGABYTE

    def _high(self) -> int:
        lines = (self._process / "status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * KIB for line in lines if line.startswith("VmHWM:"))


async def measure(lab: Lab, report: Report) -> None:
    """Upload 500 MB and download them again: ≤ 100 MB more memory in the gateway each."""
    size = lab.size(500, 20) * MEGABYTE
    async with lab.system(["gateway"]) as system, _client(system) as client:
        school = await asyncio.to_thread(_add_school, system.backing.admin_url)
        # A first one loads what every upload needs.
        await _upload(lab, system, client, school, MEGABYTE)
        peak, started = Peak(system.fleet.pid("gateway")), time.perf_counter()
        file = await _upload(lab, system, client, school, size)
        report.figure("upload, one client", size / MEGABYTE / (time.perf_counter() - started), "MB/s")
        report.at_most(f"upload of {size // MEGABYTE} MB, memory of the gateway", peak.more(), "MB", 100)
        lab.say(f"uploaded {size // MEGABYTE} MB: {peak.more():.0f} MB more")
        peak, started = Peak(system.fleet.pid("gateway")), time.perf_counter()
        read = await _download(system, client, school, file)
        report.figure("download, one client", size / MEGABYTE / (time.perf_counter() - started), "MB/s")
        report.exactly("bytes downloaded, of those uploaded", read / size, "×", 1)
        report.at_most(f"download of {size // MEGABYTE} MB, memory of the gateway", peak.more(), "MB", 100)


@asynccontextmanager
async def _client(system: System) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=system.url, timeout=300) as client:
        yield client


def _add_school(dsn: str) -> UUID:
    school = uuid4()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(INSERT_SCHOOL, (school,))
    return school


async def _upload(lab: Lab, system: System, client: httpx.AsyncClient, school: UUID, size: int) -> UUID:
    """Upload a file of zeros, which takes no disk here; returns its id."""
    key = system.backing.keys.joinpath("signing.pem").read_bytes()
    token = sign(key, Claims(person=uuid4(), role="staff", school=school), dt.timedelta(minutes=10))
    path = lab.layout.folder / f"upload-{uuid4().hex[:8]}"
    with path.open("w+b") as file:
        path.unlink()
        file.truncate(size)
        answer = await client.post(
            "/v1/files",
            headers={"Authorization": f"Bearer {token}"},
            data={"kind": "other"},
            files={"file": ("large.bin", file, "application/octet-stream")},
        )
    if answer.status_code != httpx.codes.ACCEPTED:
        raise AssertionError(f"the upload was refused: {answer.status_code} {answer.text[:200]}")
    return UUID(answer.json()["id"])


async def _download(system: System, client: httpx.AsyncClient, school: UUID, file: UUID) -> int:
    """Download a file by its link; returns the number of bytes."""
    links = DownloadLinks(read_master_key(system.backing.keys / "vault.key"), dt.timedelta(minutes=5))
    meant = Download(
        key=blob_key("files", school, file, "original"),
        name="large.bin",
        media_type="application/octet-stream",
        school=school,
    )
    read = 0
    async with client.stream("GET", f"/v1/blobs/{links.sign(meant)}") as answer:
        async for chunk in answer.aiter_raw():
            read += len(chunk)
    return read

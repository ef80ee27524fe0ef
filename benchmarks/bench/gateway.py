"""The door: POST /v1/notifications beside a bare FastAPI endpoint with one CTE, and live streams that are idle.

The gateway runs as its own process, with sign-in, idempotency and row-level security, and nobody takes what it
publishes; the bare endpoint as another, on the same PostgreSQL. One client in this process asks both in turn.
"""

import asyncio
import datetime as dt
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx
import psycopg

from benchmarks.harness import Lab, Report
from cli.local.ports import pick
from cli.system import System
from shared.testing import eventually
from shared.tokens import Claims, sign

CONNECTIONS = 32
STREAMS = 2_000
SETTLE_SECONDS = 30
PEER_SECONDS = "8"

Request = Callable[[], bytes]


async def run(lab: Lab, report: Report) -> None:
    """POST ≥ 0.7 of a bare endpoint, ≥ 5 × the peer's; 2,000 idle streams ≤ 60 MB and ≤ 3 % of a core."""
    async with lab.system(["gateway"], RATE_CALLER="0", RATE_SCHOOL="0") as system:
        url = system.url
        school, person = await asyncio.to_thread(_school, system.backing.admin_url)
        token = sign(system.backing.keys.joinpath("signing.pem").read_bytes(), _claims(school), dt.timedelta(hours=1))
        port = pick(("bare",))["bare"]
        bare = subprocess.Popen([sys.executable, "-m", "benchmarks.bare", system.backing.admin_url, str(port)])  # noqa: ASYNC220  # it only starts
        try:
            await _up(f"http://127.0.0.1:{port}/docs")
            await _posts(lab, report, url, port, token, person)
        finally:
            bare.terminate()
            bare.wait()
        await _streams(lab, report, system, url, token)


def _claims(school: UUID) -> Claims:
    return Claims(person=uuid4(), role="school_admin", school=school)


def _school(dsn: str) -> tuple[UUID, UUID]:
    """A school with one person."""
    school, person = uuid4(), uuid4()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET search_path = gateway")
        connection.execute(
            "INSERT INTO school (school_id, sourced_id, name, timezone) VALUES (%s, 'bench', 'Demo', 'UTC')", (school,)
        )
        connection.execute("INSERT INTO person (person_id, given_name, family_name) VALUES (%s, 'A', 'B')", (person,))
        connection.execute(
            "INSERT INTO membership (person_id, school_id, role) VALUES (%s, %s, 'guardian')", (person, school)
        )
    return school, person


async def _up(url: str) -> None:
    async def answers() -> bool:
        try:
            async with httpx.AsyncClient(trust_env=False) as client:
                return (await client.get(url)).is_success
        except httpx.TransportError:
            return False

    await eventually(answers, bool, within=30)


async def _posts(lab: Lab, report: Report, url: str, port: int, token: str, person: UUID) -> None:
    body = json.dumps(
        {
            "type": "payment",
            "title": "Fees due",
            "body": "Term fees are due on Friday.",
            "data": {"k": "v"},
            "audience": {"people": [str(person)]},
        }
    ).encode()

    def ours() -> bytes:
        return _request(body, f"Authorization: Bearer {token}\r\nIdempotency-Key: {uuid4()}\r\n")

    def anonymous() -> bytes:
        return _request(body, "")

    rates: dict[str, list[float]] = {"ours": [], "bare": []}
    delays: list[float] = []
    gateway_port = urlsplit(url).port or 0
    count = lab.size(3_000, 60)
    for turn in range(lab.size(5, 1)):
        for which in ("bare", "ours") if turn % 2 else ("ours", "bare"):
            target, request = (gateway_port, ours) if which == "ours" else (port, anonymous)
            rate, took = await _load(target, request, count)
            rates[which].append(rate)
            delays += took if which == "ours" else []
            lab.say(f"{which}: {rate:,.0f}/s")
    mine, theirs = statistics.median(rates["ours"]), statistics.median(rates["bare"])
    report.told("bare endpoint with one CTE", theirs, "requests/s")
    report.told("POST /v1/notifications", mine, "requests/s")
    report.told("POST /v1/notifications, p99", sorted(delays)[len(delays) * 99 // 100] * 1000, "ms")
    report.at_least("POST / bare", mine / theirs, "×", 0.7)
    report.times_peer(
        "POST / the peer's", mine, await asyncio.to_thread(_peer, lab.peer) if lab.peer and lab.full else None, 5.0
    )


def _request(body: bytes, headers: str) -> bytes:
    head = f"POST /v1/notifications HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{headers}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def _load(port: int, request: Request, count: int) -> tuple[float, list[float]]:
    """Requests per second over 32 connections, and how long each took; anything but 202 ends the run."""
    took: list[float] = []

    async def ask(times: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(times):
            began = time.perf_counter()
            writer.write(request())
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            answer = await reader.readexactly(int(length[1]) if length else 0)
            if b" 202 " not in head.partition(b"\r\n")[0]:
                raise AssertionError((head + answer).decode())
            took.append(time.perf_counter() - began)
        writer.close()

    each = max(1, count // CONNECTIONS)
    await asyncio.gather(*(ask(max(1, each // 10)) for _ in range(CONNECTIONS)))  # warm
    took.clear()
    began = time.perf_counter()
    await asyncio.gather(*(ask(each) for _ in range(CONNECTIONS)))
    return each * CONNECTIONS / (time.perf_counter() - began), took


def _peer(folder: Path) -> float:
    """What the peer accepts without sign-in, by its own script (it needs wrk)."""
    output = subprocess.run(
        [str(folder / "api.sh")],
        env=os.environ | {"SECONDS_EACH": PEER_SECONDS},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = re.search(r"accept: (\d+) req/s", output)
    if found is None:
        raise AssertionError(f"the peer says {output!r}")
    return float(found[1])


async def _streams(lab: Lab, report: Report, system: System, url: str, token: str) -> None:
    """Memory and processor time of a gateway with many streams that say nothing."""
    count, pid = lab.size(STREAMS, 20), system.fleet.pid("gateway")
    before, port = _resident(pid), urlsplit(url).port or 0
    idle = await _processor(pid, lab.size(SETTLE_SECONDS, 1))
    head = f"GET /v1/me/inbox/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    open_streams = []
    for _ in range(count):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head)
        if b" 200 " not in await reader.readline():
            raise AssertionError("a stream was refused")
        open_streams.append(writer)
    after = _resident(pid)
    busy = await _processor(pid, lab.size(SETTLE_SECONDS, 1))
    for writer in open_streams:
        writer.close()
    report.at_most(f"{count} idle streams, memory", (after - before) / 1e6, "MB", 60)
    report.at_most(f"{count} idle streams, of a core", 100 * max(0.0, busy - idle), "%", 3)


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def _processor(pid: int, seconds: int) -> float:
    """The share of a core that a process uses."""

    def used() -> float:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before = used()
    await asyncio.sleep(seconds)
    return (used() - before) / seconds

"""The gateway: POST /v1/notifications beside a bare FastAPI endpoint with one CTE, and live streams that are idle.

The gateway runs as its own process, with sign-in, idempotency and row-level security, without a consumer of its
events; the bare endpoint as another, on the same PostgreSQL. One client in this process asks both in turn. With
PEER_DIR two gateways are measured beside the peer's two processes, by the peer's own client.
"""

import asyncio
import datetime as dt
import re
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx
import psycopg

from benchmarks import backlog, http_load
from benchmarks.harness import Lab, Report
from benchmarks.peer import peer_of
from benchmarks.process_time import processor_seconds, processor_share, resident_bytes
from cli.processes.ports import pick
from cli.testing.system import System, python
from shared.http.tokens import Claims, sign
from shared.testing.fixtures import eventually

ROOT = Path(__file__).parents[2]
STREAMS = 2_000
SETTLE_SECONDS = 30
TURNS = 7
"""One turn of either may be a fifth off on a machine that others use too."""
SECONDS_EACH = 8
LEFT = "SELECT count(*) AS n FROM gateway.outbox"


async def run(lab: Lab, report: Report) -> None:
    """POST ≥ 0.7 of a bare endpoint, ≥ 4 × the peer's; 2,000 idle streams ≤ 60 MB and ≤ 3 % of a core."""
    async with lab.system(["gateway"], RATE_CALLER="0", RATE_SCHOOL="0") as system:
        url = system.url
        school, person = await asyncio.to_thread(_school, system.backing.admin_url)
        # Before any load: memory that a load leaves free would hide the memory of the streams.
        await _streams(lab, report, system, url, school)
        token = _token(system, school)
        port = pick(("bare",))["bare"]
        command = [sys.executable, "-m", "benchmarks.baseline_endpoint", system.backing.admin_url, str(port)]
        bare = subprocess.Popen(command)  # noqa: ASYNC220  # it only starts
        try:
            await _up(f"http://127.0.0.1:{port}/docs")
            await _posts(lab, report, url, port, token, person)
        finally:
            bare.terminate()
            bare.wait()
        await _measuring(lab, report, system, token, person)
        content, port = http_load.body(person), system.ports["gateway"]
        await backlog.measure(
            lab,
            report,
            system,
            port,
            lambda: http_load.request(content, f"Authorization: Bearer {token}\r\nIdempotency-Key: {uuid4()}\r\n"),
        )
        await _beside_the_peer(lab, report, system, token, person)


def _token(system: System, school: UUID) -> str:
    """Return the token of another person of a school."""
    claims = Claims(person=uuid4(), role="school_admin", school=school)
    return sign(system.backing.keys.joinpath("signing.pem").read_bytes(), claims, dt.timedelta(hours=1))


def _school(dsn: str) -> tuple[UUID, UUID]:
    """Add a school with one person."""
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
    """Measure one process of ours and one of the bare endpoint, asked in turn by this one."""
    content, rates, delays = http_load.body(person), _Rates(), list[float]()
    gateway_port, count = urlsplit(url).port or 0, lab.size(3_000, 60)

    def ours() -> bytes:
        return http_load.request(content, f"Authorization: Bearer {token}\r\nIdempotency-Key: {uuid4()}\r\n")

    for turn in range(lab.size(5, 1)):
        for which in ("bare", "ours") if turn % 2 else ("ours", "bare"):
            if which == "ours":
                rate, took = await http_load.load(gateway_port, ours, count)
                delays += took
            else:
                rate, _ = await http_load.load(port, lambda: http_load.request(content), count)
            rates.add(which, rate)
            lab.say(f"{which}: {rate:,.0f}/s")
    report.figure("bare endpoint with one CTE", rates.median("bare"), "requests/s")
    report.figure("POST /v1/notifications", rates.median("ours"), "requests/s")
    report.figure("POST /v1/notifications, p99", sorted(delays)[len(delays) * 99 // 100] * 1000, "ms")
    report.at_least("POST / bare", rates.median("ours") / rates.median("bare"), "×", 0.7)


async def _measuring(lab: Lab, report: Report, system: System, token: str, person: UUID) -> None:
    """Judge what metrics add to the processor time of a POST, beside a gateway without them."""
    second = pick(("unmeasured",))["unmeasured"]
    environment = system.environment("gateway") | {"PORT": str(second), "PYTHONPATH": str(ROOT)}
    ready = f"http://127.0.0.1:{second}/health/ready"
    await system.fleet.start(python("unmeasured", ("benchmarks.unmeasured", "gateway"), environment, ready))
    content, count, times = http_load.body(person), lab.size(3_000, 60), list[float]()

    def asked() -> bytes:
        return http_load.request(content, f"Authorization: Bearer {token}\r\nIdempotency-Key: {uuid4()}\r\n")

    async def spent(name: str, port: int) -> float:
        """Return seconds of processor time for so many requests."""
        pid = system.fleet.pid(name)
        before = processor_seconds(pid)
        await http_load.load(port, asked, count)
        return processor_seconds(pid) - before

    for turn in range(lab.size(9, 1)):
        took = {}
        for name, port in (("gateway", system.ports["gateway"]), ("unmeasured", second))[:: 1 if turn % 2 else -1]:
            took[name] = await spent(name, port)
            # Both processes publish what is left: it must not count for the next.
            await eventually(lambda: asyncio.to_thread(system.rows, LEFT), lambda rows: rows[0]["n"] == 0, within=120)
        times.append(took["gateway"] / took["unmeasured"])
    await system.fleet.stop("unmeasured")
    report.at_most("POST with metrics / without, processor time", statistics.median(times), "×", 1.05)
    lab.say(f"metrics: {statistics.median(times):.3f} × the processor time of a POST without them")


class _Rates(defaultdict[str, list[float]]):
    """Requests per second of each server."""

    def __init__(self) -> None:
        super().__init__(list)

    def add(self, which: str, rate: float) -> None:
        self[which].append(rate)

    def median(self, which: str) -> float:
        return statistics.median(self[which])


async def _beside_the_peer(lab: Lab, report: Report, system: System, token: str, person: UUID) -> None:
    """Measure two processes each, as the peer's script starts them, asked in turn by wrk over 32 connections."""
    if lab.peer is None or not lab.full:
        report.times_peer("POST / the peer's", 0, None, 4)
        return
    second = pick(("second",))["second"]
    environment = system.environment("gateway") | {"PORT": str(second)}
    ready = f"http://127.0.0.1:{second}/health/ready"
    await system.fleet.start(python("gateway-2", ("gateway",), environment, ready))
    ports, content, rates = (urlsplit(system.url).port or 0, second), http_load.body(person), _Rates()
    async with peer_of(lab.peer) as peer:
        for _ in range(TURNS):
            printed = await peer.run("api.sh", SECONDS_EACH=str(SECONDS_EACH))
            found = re.search(r"accept: (\d+) req/s .* not 2xx (\d+)", printed)
            if found is None or found[2] != "0":
                raise AssertionError(f"the peer says {printed!r}")
            rates.add("peer", float(found[1]))
            rates.add("ours", await http_load.wrk(ports, content, token, SECONDS_EACH))
            lab.say(f"peer: {rates['peer'][-1]:,.0f}/s, ours: {rates['ours'][-1]:,.0f}/s")
            # Publishing what is left must not slow the next turn.
            await eventually(lambda: asyncio.to_thread(system.rows, LEFT), lambda rows: rows[0]["n"] == 0, within=120)
    await system.fleet.stop("gateway-2")
    report.figure("the peer's POST, two processes", rates.median("peer"), "requests/s")
    report.figure("POST /v1/notifications, two processes", rates.median("ours"), "requests/s")
    report.times_peer("POST / the peer's", rates.median("ours"), rates.median("peer"), 4)


async def _streams(lab: Lab, report: Report, system: System, url: str, school: UUID) -> None:
    """Measure memory and processor time of a gateway with many idle streams, each of another person."""
    count, pid = lab.size(STREAMS, 20), system.fleet.pid("gateway")
    before, port = resident_bytes(pid), urlsplit(url).port or 0
    idle = await processor_share(pid, lab.size(SETTLE_SECONDS, 1))
    headers = [f"Authorization: Bearer {_token(system, school)}\r\n" for _ in range(count)]
    open_streams = await http_load.open_streams(port, "/v1/me/inbox/events", headers)
    after = resident_bytes(pid)
    busy = await processor_share(pid, lab.size(SETTLE_SECONDS, 1))
    for writer in open_streams:
        writer.close()
    report.at_most(f"{count} idle streams, memory", (after - before) / 1e6, "MB", 60)
    report.at_most(f"{count} idle streams, of a core", 100 * max(0.0, busy - idle), "%", 3)

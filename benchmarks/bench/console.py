"""The console's pages: how much each weighs, how long it takes with many rows behind it, and what open pages cost.

The whole system runs as processes, the demo was played on it, and then the tables were filled. One client asks for one
page after another, signed in as an administrator of the group. The time of a page is what the gateway measures itself,
from the head of the request to the end of the answer; what the client sees of it is a figure beside it. Pictures of
documents are content: they are counted apart.
"""

import asyncio
import datetime as dt
import statistics
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from benchmarks import http_load
from benchmarks.console_places import PLACES, SIGN_IN, Place
from benchmarks.console_rows import add_examples, fill
from benchmarks.harness import Lab, Report
from benchmarks.page_parts import PageParts
from benchmarks.process_time import processor_share
from benchmarks.server_time import Served
from cli.demo import player
from cli.demo.school import SCHOOLS
from cli.operations.service_names import NAMES
from cli.testing.system import System
from shared.http.tokens import Claims, sign

MOST_BYTES, MOST_REQUESTS, MOST_MS = 40_000, 8, 30
STREAMS, SETTLE_SECONDS = 200, 30
WARM, FEWEST = 5, 2
LONGEST_SECONDS = 12
"""Seconds for one page, after which a slow one has been asked for often enough."""
SMALL = ("notifications", "tasks", "failures")
"""Sections of the smoke, whose pages need no other service than the notifier."""
OF_ALL_SCHOOLS = ("/console/overview", "/console/tasks", "/console/failures", "/console/audit")


@dataclass(frozen=True, slots=True)
class Measured:
    """A page: bytes and requests of a first visit; milliseconds of each answer at the gateway, and at the client.

    `later_ms`: those of the content that follows with a second request, where it is read from the log.
    """

    size: int
    requests: int
    pictures: int
    took: list[float]
    seen: list[float]
    later_ms: float | None = None

    @property
    def p95(self) -> float:
        """The 95th percentile of the milliseconds at the gateway."""
        return _p95(self.took)

    @property
    def p95_seen(self) -> float:
        """The 95th percentile of the milliseconds at the client."""
        return _p95(self.seen)


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


async def run(lab: Lab, report: Report) -> None:
    """Each page ≤ 40 KB, ≤ 8 requests cold and ≤ 30 ms at p95; 200 open pages ≤ 5 % of a core when idle."""
    services = NAMES if lab.full else ("gateway", "notifier")
    async with lab.system(services, RATE_CALLER="0", RATE_SCHOOL="0", LOG_LEVEL="WARNING") as system:
        if lab.full:
            await asyncio.to_thread(_play, system)
        rows = {
            "tasks": lab.size(1_000_000, 1_000),
            "failures": lab.size(100_000, 800),
            "deliveries": lab.size(1_000_000, 3_000),
            "large": lab.size(15_000, 1_000),
        }
        lab.say("filling the tables: " + ", ".join(f"{count:,} {name}" for name, count in rows.items()))
        school = await asyncio.to_thread(fill, system, **rows)
        await _pages(lab, report, system, school)
        await _open_pages(lab, report, system)


def _play(system: System) -> None:
    """Play the demo, and add what it leaves no example of."""
    if player.main(system.demo_stack()):
        raise AssertionError("the demo does not reconcile")
    with closing(system.api()) as api:
        add_examples(api, SCHOOLS[1].sourced_id)


async def _pages(lab: Lab, report: Report, system: System, school: str) -> None:
    found: dict[str, Measured] = {}
    cookies = {f"console-{system.ports['gateway']}": _session(system)}
    async with httpx.AsyncClient(base_url=system.url, trust_env=False, timeout=60) as stranger:
        found[SIGN_IN.route] = await _page(stranger, SIGN_IN.route, lab.size(40, 2))
    async with httpx.AsyncClient(base_url=system.url, cookies=cookies, trust_env=False, timeout=60) as client:
        for place in PLACES:
            if lab.full or place.route.split("/")[2] in SMALL:
                address = await _address(client, place, school)
                found[place.route] = await _page(client, address, lab.size(40, 2))
        for route in OF_ALL_SCHOOLS:
            found[f"{route}, all schools"] = await _page(client, route, lab.size(40, 2))
    for name, each in found.items():
        times_of = f"p95 {each.p95:.1f} ms, at the client {each.p95_seen:.1f} ms"
        report.note(f"{name}: {times_of}, {each.size:,} bytes, {each.requests} requests")
    sizes = {name: float(each.size) for name, each in found.items()}
    _judge(report, "weight", sizes, "bytes", MOST_BYTES)
    _judge(report, "requests", {name: float(each.requests) for name, each in found.items()}, "", MOST_REQUESTS)
    report.figure("most pictures of documents on a page", max(each.pictures for each in found.values()), "pictures")
    report.figure("pages measured", len(found), "pages")
    for name, each in found.items():
        if each.later_ms is not None:
            report.figure(f"what {name} reads from the log", each.later_ms, "ms")
    times = {name: each.p95 for name, each in found.items()}
    report.figure("median of the pages' p95", statistics.median(times.values()), "ms")
    for name, value in (("median", statistics.median), ("highest", max)):
        report.figure(f"{name} of the pages' p95 at the client", value(each.p95_seen for each in found.values()), "ms")
    for name in _worst(times, MOST_MS):
        report.at_most(f"p95 of {name}", times[name], "ms", MOST_MS)


def _judge(report: Report, what: str, values: Mapping[str, float], unit: str, bound: float) -> None:
    """Add the worst page and all over the bound; the smoke judges them too, because no speed is in them."""
    for name in _worst(values, bound):
        report.at_most(f"{what} of {name}", values[name], unit, bound)
    report.exactly(f"pages over the bound of {what}", sum(each > bound for each in values.values()), "pages", 0)


def _worst(values: Mapping[str, float], bound: float) -> list[str]:
    """Return the page with the highest value, and the others over the bound."""
    ordered = sorted(values, key=values.__getitem__, reverse=True)
    return ordered[:1] + [name for name in ordered[1:] if values[name] > bound]


async def _address(client: httpx.AsyncClient, place: Place, school: str) -> str:
    """Return the address of a page; a link of another page may lead to it."""
    if not place.start:
        return place.at_school(school)
    start = next(each for each in PLACES if each.route == place.start)
    answer = await client.get(await _address(client, start, school))
    if start.reads:
        answer = await client.get(PageParts.of(answer.text).later)
    found = place.among(PageParts.of(answer.text).links)
    if found is None:
        raise AssertionError(f"{answer.url} has no link to {place.route}")
    return found


async def _page(client: httpx.AsyncClient, address: str, times: int) -> Measured:
    took: list[float] = []
    seen: list[float] = []
    until = time.perf_counter() + LONGEST_SECONDS
    served = await Served.read(client)
    while len(took) < WARM + FEWEST or (len(took) < WARM + times and time.perf_counter() < until):
        began = time.perf_counter()
        answer = await client.get(address)
        seen.append((time.perf_counter() - began) * 1000)
        if answer.status_code != httpx.codes.OK:
            raise AssertionError(f"{address} answers {answer.status_code}: {answer.text}")
        before, served = served, await Served.read(client)
        took.append(served.milliseconds_since(before))
    parts = PageParts.of(answer.text)
    loaded = [await client.get(each) for each in sorted(parts.loaded)]
    later_ms = None
    if parts.later:
        began = time.perf_counter()
        loaded.append(await client.get(parts.later))
        later_ms = (time.perf_counter() - began) * 1000
    size = sum(each.raise_for_status().num_bytes_downloaded for each in (answer, *loaded))
    return Measured(size, 1 + len(loaded) + parts.follows, len(parts.pictures), took[WARM:], seen[WARM:], later_ms)


def _session(system: System) -> str:
    """Return the cookie of a new person's session."""
    key = system.backing.keys.joinpath("signing.pem").read_bytes()
    return sign(key, Claims(person=uuid4(), role="platform_admin", use="console"), dt.timedelta(hours=2))


async def _open_pages(lab: Lab, report: Report, system: System) -> None:
    """Measure the gateway with many open pages of as many browsers; each has the one stream of its tabs."""
    count, pid, port = lab.size(STREAMS, 10), system.fleet.pid("gateway"), urlsplit(system.url).port or 0
    idle = await processor_share(pid, lab.size(SETTLE_SECONDS, 1))
    cookies = [f"Cookie: console-{port}={_session(system)}\r\n" for _ in range(count)]
    opened = await http_load.open_streams(port, "/console/live", cookies)
    await asyncio.sleep(lab.size(5, 0))
    busy = await processor_share(pid, lab.size(SETTLE_SECONDS, 1))
    for writer in opened:
        writer.close()
    report.figure("the gateway without open pages, of a core", 100 * idle, "%")
    report.at_most(f"{count} open live pages, of a core", 100 * max(0.0, busy - idle), "%", 5)

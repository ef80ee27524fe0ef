"""Connections: each client has so many and so long, and at a limit the one that asks is answered."""

import asyncio
import errno
import os
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest
import uvicorn
from fastapi import FastAPI, Request
from prometheus_client import CollectorRegistry, Histogram

from shared.errors import is_out_of_descriptors
from shared.service import runtime
from shared.service.bounded_protocol import MOST_HEAD_BYTES, bounded
from shared.service.connections import ConnectionLimits, ConnectionTable, places
from shared.service.http_metrics import RequestMetrics

ASK = b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n"


def application():
    app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})

    @app.get("/live")
    async def live():
        return {}

    @app.post("/body")
    async def body(request: Request):
        return {"bytes": len(await request.body())}

    @app.post("/refused")
    async def refused():
        return {}

    return app


@asynccontextmanager
async def serving(**changes):
    registry, closed = CollectorRegistry(), []
    measured = RequestMetrics(
        application(), Histogram("requests", "", ["method", "route", "status"], registry=registry)
    )
    table = ConnectionTable(ConnectionLimits(**changes), lambda: closed.append(1))
    table.registry, table.closed = registry, closed
    config = uvicorn.Config(
        measured,
        port=0,
        log_config=None,
        lifespan="off",
        http=bounded(table, measured.count_refused),
        timeout_keep_alive=5,
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield table, server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await running


def requests(registry):
    """How many requests were counted, by method, route and status."""
    return {
        tuple(sample.labels[name] for name in ("method", "route", "status")): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "requests_count"
    }


@asynccontextmanager
async def connections(port, count, first=b"", address="127.0.0.1"):
    opened = []
    try:
        for _ in range(count):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
            opened.append((reader, writer))
            writer.write(first)
            await writer.drain()
        yield opened
    finally:
        for _, writer in opened:
            writer.close()


async def ask(port, content=ASK, address="127.0.0.1"):
    async with connections(port, 1, content, address) as [(reader, _)], asyncio.timeout(5):
        return (await reader.readline()).strip()


async def ended(reader, within=5):
    """What the server still said, once it has closed."""
    async with asyncio.timeout(within):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


async def test_a_half_sent_head_is_ended_in_time():
    async with serving(headers_within=0.2) as (table, port), connections(port, 3, b"GET / HTTP/1.1\r\nHo") as opened:
        said = [await ended(reader) for reader, _ in opened]
        assert all(each.startswith(b"HTTP/1.1 408") for each in said)
        assert not table.open


async def test_a_head_that_trickles_or_never_ends_is_ended():
    async with serving(headers_within=0.3) as (_, port), connections(port, 1, ASK) as [(reader, writer)]:
        await reader.readuntil(b"{}")
        ending = asyncio.create_task(ended(reader))
        async with asyncio.timeout(5):
            while not ending.done():
                writer.write(b"\r\n")  # empty lines before a request restart uvicorn's own time
                await asyncio.sleep(0.02)
    async with serving() as (_, port):
        assert b" 431 " in await ask(port, b"GET / HTTP/1.1\r\nX: " + b"x" * (MOST_HEAD_BYTES + 10))


async def test_a_slow_body_is_ended_and_a_slow_application_is_waited_for():
    head = b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    async with serving(body_pause=0.2, body_rate=100) as (_, port), connections(port, 1, head) as [(reader, writer)]:
        for _ in range(4):
            writer.write(b"x" * 50)
            await asyncio.sleep(0.1)
        assert not reader.at_eof()
        assert (await ended(reader)).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize(
    ("limits", "content", "route", "status"),
    [
        ({"headers_within": 0.2}, b"GET / HT", "unmatched", 408),
        ({}, b"GET / HTTP/1.1\r\nX: " + b"x" * (MOST_HEAD_BYTES + 10), "unmatched", 431),
        ({}, b"\x16\x03\x01 no HTTP at all\r\n\r\n", "unmatched", 400),
        ({"body_pause": 0.2}, b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", "/body", 408),
        ({}, b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "/body", 400),
    ],
    ids=["late head", "large head", "no HTTP", "late body", "broken body"],
)
async def test_what_a_connection_refuses_is_counted_once(limits, content, route, status):
    async with serving(**limits) as (table, port), connections(port, 1, content) as [(reader, _)]:
        assert (await ended(reader, within=30)).startswith(b"HTTP/1.1 %d " % status)
        async with asyncio.timeout(30):
            while not (counted := requests(table.registry)):
                await asyncio.sleep(0.01)
    method = "_OTHER" if route == "unmatched" else "POST"
    assert counted == {(method, route, str(status)): 1}


async def test_connections_that_give_way_are_counted():
    async with serving(most=10) as (table, port), connections(port, 13, b"GET / HT"):
        async with asyncio.timeout(30):
            while len(table.closed) < 3:
                await asyncio.sleep(0.01)
    assert len(table.closed) == 3


async def test_the_rest_of_a_body_is_not_waited_for_after_its_answer():
    head = b"POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    async with serving() as (table, port), connections(port, 1, head) as [(reader, _)]:
        assert b" 200 " in await ended(reader)
        assert not table.open


async def test_at_a_limit_the_oldest_that_never_asked_gives_way_to_one_that_asks():
    async with serving(most=20, per_address=1_000) as (table, port), connections(port, 60, b"GET / HT"):
        for _ in range(5):
            assert b" 200 " in await ask(port)
        assert 0 < len(table.open) <= 20


async def test_one_address_does_not_take_the_places_of_another():
    async with (
        serving(most=1_000, per_address=10) as (table, port),
        connections(port, 1, b"GET / HT", "127.0.0.2") as [(other, _)],
        connections(port, 40, b"GET / HT"),
    ):
        assert b" 200 " in await ask(port)
        assert 0 < len(table.open) <= 11
        assert not other.at_eof()
    assert ConnectionLimits(trusted=(ip_network("10.0.0.0/8"),)).is_trusted("10.1.2.3")


async def test_connections_in_use_stay_when_others_come():
    async with serving(most=10) as (_, port), connections(port, 1, ASK) as [(reader, writer)]:
        await reader.readuntil(b"{}")
        async with connections(port, 30, b"GET"):
            writer.write(ASK)
            assert b" 200 " in await reader.readline()


@pytest.mark.parametrize("descriptors", [256, 1_024, 20_000, 65_536])
def test_a_full_table_leaves_descriptors_for_everything_else(descriptors):
    most, backlog = places(descriptors, 10_000)
    assert 0 < most <= 10_000
    assert descriptors - most - backlog >= min(512, descriptors // 4)


def test_a_full_table_of_descriptors_is_distinguished_from_other_errors():
    assert is_out_of_descriptors(OSError(errno.EMFILE, "x"))
    assert is_out_of_descriptors(ExceptionGroup("x", [OSError(errno.ENFILE, "x")]))
    assert not is_out_of_descriptors(OSError(errno.ENOENT, "x"))
    assert not is_out_of_descriptors(ExceptionGroup("x", [OSError(errno.EMFILE, "x"), ValueError()]))


async def test_a_part_that_finds_no_descriptor_starts_again(monkeypatch):
    attempts, exits = [], []
    monkeypatch.setattr(runtime, "PLACE_SECONDS", 0.01)
    monkeypatch.setattr(os, "_exit", exits.append)

    async def part():
        attempts.append(1)
        if len(attempts) < 3:
            raise OSError(errno.EMFILE, "Too many open files")

    await runtime.Runtime._guard(None, part, None)
    assert (len(attempts), exits) == (3, [])

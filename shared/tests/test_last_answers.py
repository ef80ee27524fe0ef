"""A process that stops loses no request: not on open connections, and not those that wait for another process."""

import asyncio
import socket
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from shared.service.last_answers import LastAnswers
from shared.service.runtime import Runtime
from shared.service.server import Server


class Stop(Runtime):
    """Only whether the process stops."""

    def __init__(self):
        self.stopping = False

    def stop_soon(self):
        self.stopping = True


@asynccontextmanager
async def serving(listening, name, last_answers):
    """One process's server on a copy of the socket, as a process inherits it."""
    app, stop = FastAPI(), Stop()
    app.state.provided = {Runtime: stop}

    @app.get("/")
    async def answer():
        return name

    app.add_middleware(LastAnswers, stopping=lambda: stop.stopping)
    server = Server(uvicorn.Config(app, log_config=None, lifespan="off"), app, last_answers)
    running = asyncio.create_task(server.serve([listening.dup()]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield server
    finally:
        server.should_exit = True
        await running


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as found:
        yield found


def client(listening):
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", trust_env=False)


async def stopping(server):
    """Ask it to stop and return once it takes no more connections."""
    server.should_exit = True
    while not server._app.state.provided[Runtime].stopping:
        await asyncio.sleep(0.01)


async def test_a_stopping_process_answers_an_open_connection_once_more_and_says_so(listening):
    async with serving(listening, "first", last_answers=5) as server, client(listening) as asking:
        assert "connection" not in (await asking.get("/")).headers
        await stopping(server)
        answer = await asking.get("/")  # on the same connection: no other is opened
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")


async def test_it_waits_no_longer_than_clients_are_connected(listening):
    began = asyncio.get_running_loop().time()
    async with serving(listening, "first", last_answers=30) as server:
        async with client(listening) as asking:
            await asking.get("/")
        await stopping(server)
    assert asyncio.get_running_loop().time() - began < 20


async def test_while_one_process_stops_the_other_one_answers_on_the_same_socket(listening):
    async with serving(listening, "other", last_answers=0), client(listening) as asking:
        async with serving(listening, "first", last_answers=1) as server:
            await stopping(server)
            async with client(listening) as late:
                assert (await late.get("/")).json() == "other"
        assert (await asking.get("/")).json() == "other"

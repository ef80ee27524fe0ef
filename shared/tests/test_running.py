"""How a service's process answers."""

import asyncio
import socket

import uvicorn

from shared.service.server import Gathered, Protocol


class Wire(asyncio.Transport):
    def __init__(self):
        self.said = []

    def write(self, data):
        self.said.append(bytes(data))

    def close(self):
        self.said.append("closed")


async def test_what_is_written_in_one_turn_of_the_loop_goes_out_together():
    wire = Wire()
    gathered = Gathered(wire)
    gathered.write(b"head")
    gathered.write(bytearray(b" and content"))
    assert wire.said == []
    await asyncio.sleep(0)
    assert wire.said == [b"head and content"]
    gathered.write(b"more")
    await asyncio.sleep(0)
    assert wire.said == [b"head and content", b"more"]


async def test_what_was_written_goes_out_before_the_end():
    wire = Wire()
    gathered = Gathered(wire)
    gathered.write(b"last")
    gathered.close()
    await asyncio.sleep(0)
    assert wire.said == [b"last", "closed"]


async def test_an_answer_that_is_larger_than_what_is_read_at_once_comes_whole_and_in_order():
    """A reader that takes its time makes the server wait, here as anywhere."""
    content = [bytes([number]) * 300_000 for number in range(20)]

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for part in content:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, http=Protocol, lifespan="off", log_config=None))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        reader, writer = await asyncio.open_connection(*listening.getsockname(), limit=1000)
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        found = b""
        while size := int(await reader.readline(), 16):
            found += await reader.readexactly(size)
            await reader.readexactly(2)
        assert found == b"".join(content)
        writer.close()
        server.should_exit = True
        await serving

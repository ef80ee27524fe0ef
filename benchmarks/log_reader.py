"""Reads a stream from its first to its last message."""

import asyncio

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from benchmarks.raw import READ_AHEAD
from shared.log import last_offset

PATIENCE = 300


async def values(url: str, stream: str, header: str) -> list[str]:
    """What `header` says on each message, in the stream's order."""
    found: list[str] = []
    async with await aio_pika.connect(url) as connection:
        end = await last_offset(connection, stream)
        if end < 0:
            return found
        channel = await connection.channel(publisher_confirms=False)
        await channel.set_qos(READ_AHEAD)
        done = asyncio.Event()

        async def take(message: AbstractIncomingMessage) -> None:
            found.append(str(message.headers.get(header)))
            await message.ack()
            if int(str(message.headers["x-stream-offset"])) >= end:
                done.set()

        queue = await channel.get_queue(stream, ensure=False)
        await queue.consume(take, arguments={"x-stream-offset": "first"})
        async with asyncio.timeout(PATIENCE):
            await done.wait()
    return found

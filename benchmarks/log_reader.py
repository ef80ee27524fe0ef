"""Reads a stream from its first to its last message."""

import asyncio

from shared.messaging.connection import connected
from shared.messaging.stream_reader import last_offset, read_stream

PATIENCE = 300


async def values(url: str, stream: str, header: str) -> list[str]:
    """Return the value of `header` of each message, in the stream's order."""
    found: list[str] = []
    async with connected(url, "log-reader") as connection:
        end, at = await last_offset(connection, stream), -1
        async with read_stream(connection, stream, "first") as incoming, asyncio.timeout(PATIENCE):
            while at < end:
                messages = await incoming.batch()
                found += [str(message.headers.get(header)) for message in messages]
                at = messages[-1].offset
                await incoming.ack()
    return found

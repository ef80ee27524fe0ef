"""Reads a stream from its first to its last message."""

import asyncio

from shared.messaging.deliveries import linked
from shared.projections.stream_reader import last_offset, read_stream

PATIENCE = 300


async def values(url: str, stream: str, header: str) -> list[str]:
    """What `header` says on each message, in the stream's order."""
    found: list[str] = []
    async with linked(url, "log-reader") as link:
        end, at = await last_offset(link, stream), -1
        async with read_stream(link, stream, "first") as incoming, asyncio.timeout(PATIENCE):
            while at < end:
                messages = await incoming.batch()
                found += [str(message.headers.get(header)) for message in messages]
                at = messages[-1].offset
                await incoming.ack()
    return found

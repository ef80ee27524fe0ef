"""A connection to the broker under a name that it shows, and what may happen to one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import AMQPException
from aiormq.channel import Channel

Connection = AbstractConnection
"""A connection that is not made again by itself when it is lost."""

CONNECT_SECONDS = 5

CONNECTION_PROBLEMS = (
    AMQPException, ConnectionError, OSError, RuntimeError, StopAsyncIteration, asyncio.TimeoutError,
)  # fmt: skip
"""What aio-pika raises while the broker is away.

RuntimeError comes from a channel that is being closed, StopAsyncIteration from a broker that ends while it greets.
"""


@asynccontextmanager
async def connected(url: str, name: str) -> AsyncIterator[Connection]:
    """Connect once; who needs the connection for longer connects again, and knows then what was lost with it."""
    async with await aio_pika.connect(
        url, timeout=CONNECT_SECONDS, client_properties={"connection_name": name}
    ) as connection:
        yield connection


async def underlying(channel: AbstractChannel) -> Channel:
    """The channel below aio-pika's, of aiormq: it says when the broker ends a consumer, and keeps its confirms."""
    below = await channel.get_underlay_channel()
    if not isinstance(below, Channel):
        msg = f"aio-pika's channel stands on {type(below).__name__}, not on aiormq's"
        raise TypeError(msg)
    return below

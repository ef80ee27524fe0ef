"""Opens named connections to the broker, and lists the errors that a lost connection causes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import AMQPException
from aiormq.channel import Channel

Connection = AbstractConnection
"""A connection that does not reconnect by itself."""

CONNECT_SECONDS = 5

CONNECTION_PROBLEMS = (
    AMQPException, ConnectionError, OSError, RuntimeError, StopAsyncIteration, asyncio.TimeoutError,
)  # fmt: skip
"""Errors that aio-pika raises while the broker is unavailable.

RuntimeError comes from a channel that is closing, StopAsyncIteration from a broker that stops during the handshake.
"""


@asynccontextmanager
async def connected(url: str, name: str) -> AsyncIterator[Connection]:
    """Connect once. The caller reconnects after a loss, because it knows what was lost with the connection."""
    async with await aio_pika.connect(
        url, timeout=CONNECT_SECONDS, client_properties={"connection_name": name}
    ) as connection:
        yield connection


async def underlying(channel: AbstractChannel) -> Channel:
    """Return aiormq's channel below aio-pika's: it reports cancelled consumers and holds the publisher confirms."""
    below = await channel.get_underlay_channel()
    if not isinstance(below, Channel):
        msg = f"aio-pika's channel stands on {type(below).__name__}, not on aiormq's"
        raise TypeError(msg)
    return below

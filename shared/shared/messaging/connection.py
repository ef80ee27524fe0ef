"""Opens named connections to the broker, and lists the errors that a lost connection causes."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import AMQPException, ChannelInvalidStateError
from aiormq.channel import Channel

Connection = AbstractConnection
"""A connection that does not reconnect by itself."""

CONNECT_SECONDS = 5

CONNECTION_PROBLEMS = (AMQPException, ChannelInvalidStateError, OSError, TimeoutError)
"""Errors that mean the broker is unavailable. No plain RuntimeError is one of them: that may be a bug of ours."""


@asynccontextmanager
async def connected(url: str, name: str) -> AsyncIterator[Connection]:
    """Connect once. The caller reconnects after a loss, because it knows what was lost with the connection.

    Raises CONNECTION_PROBLEMS while the broker is unavailable, and whatever the caller raises for reasons of its own.
    """
    with library_errors():
        opened = await aio_pika.connect(url, timeout=CONNECT_SECONDS, client_properties={"connection_name": name})
    try:
        yield opened
    except RuntimeError as problem:
        # A channel was asked for that the lost connection cannot open: aiormq raises no type of its own.
        if isinstance(problem, ChannelInvalidStateError) or not _is_lost(opened):
            raise
        raise ConnectionError(str(problem)) from problem
    finally:
        with library_errors():
            await opened.close()


@contextmanager
def library_errors() -> Iterator[None]:
    """Raise ConnectionError for the untyped errors by which the client libraries report a lost connection.

    aiormq and uvloop raise RuntimeError for what is closed, aiormq StopAsyncIteration for a handshake that ends early.
    Put nothing into the block but calls of the libraries: a RuntimeError of ours is a bug.
    """
    try:
        yield
    except ChannelInvalidStateError:
        raise
    except (RuntimeError, StopAsyncIteration) as problem:
        raise ConnectionError(str(problem) or type(problem).__name__) from problem


def _is_lost(connection: Connection) -> bool:
    """Whether the connection is gone; it never comes back."""
    return connection.transport is None or connection.transport.connection.is_closed


async def underlying(channel: AbstractChannel) -> Channel:
    """Return aiormq's channel below aio-pika's: it reports cancelled consumers and holds the publisher confirms."""
    below = await channel.get_underlay_channel()
    if not isinstance(below, Channel):
        msg = f"aio-pika's channel stands on {type(below).__name__}, not on aiormq's"
        raise TypeError(msg)
    return below

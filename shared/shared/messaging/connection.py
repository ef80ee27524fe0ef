"""Opens named connections to the broker, and lists the errors that a lost connection causes.

The client libraries know one host. Here each connection gets a factory of transports that knows all of them.
"""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import AMQPException, ChannelInvalidStateError
from aiormq.channel import Channel
from aiormq.connection import DEFAULT_PORTS, TCPTransportFactory, TLSTransportFactory, TransportFactory
from yarl import URL

from shared.broker_address import each_host

log = structlog.get_logger()

Connection = AbstractConnection
"""A connection that does not reconnect by itself."""

Opened = TypeVar("Opened", bound=aio_pika.Connection)

CONNECT_SECONDS = 5
HEARTBEAT_SECONDS = 5
"""Where there is another host to go to. A host that is silent is given up after three intervals of a second more;
without it after three minutes. RabbitMQ gives up a client that is silent for two."""

CONNECTION_PROBLEMS = (AMQPException, ChannelInvalidStateError, OSError, TimeoutError)
"""Errors that mean the broker is unavailable. No plain RuntimeError is one of them: that may be a bug of ours."""


@asynccontextmanager
async def connected(url: str, name: str) -> AsyncIterator[Connection]:
    """Connect once. The caller reconnects after a loss, because it knows what was lost with the connection.

    Raises CONNECTION_PROBLEMS while the broker is unavailable, and whatever the caller raises for reasons of its own.
    """
    opened = await _open_some(url, name)
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


async def _open_some(url: str, name: str) -> Connection:
    """Connect to the first host that completes the handshake; raises the error of the last one."""
    hosts = HostRotation(url)
    for _ in range(len(hosts) - 1):
        host = hosts.upcoming
        try:
            return await _open_next(hosts, name)
        except CONNECTION_PROBLEMS as problem:
            log.warning("broker.host_unavailable", host=host.host, port=host.port, error=type(problem).__name__)
    return await _open_next(hosts, name)


async def _open_next(hosts: "HostRotation", name: str) -> Connection:
    opening = on_hosts(aio_pika.Connection, hosts, name)
    with library_errors():
        await opening.connect(timeout=CONNECT_SECONDS)
    return opening


def on_hosts(kind: type[Opened], hosts: "HostRotation", name: str, **options: Any) -> Opened:
    """Make a connection, not opened yet, whose attempts go to these hosts in turn."""
    url = hosts.upcoming
    if len(hosts) > 1:
        url = url.with_query({"heartbeat": HEARTBEAT_SECONDS, **url.query})
    made = kind(url, client_properties={"connection_name": name}, **options)
    made.kwargs["transport_factory"] = hosts
    return made


class HostRotation(TransportFactory):
    """Opens transports to the hosts of an address, each attempt to the next one, from a random one on."""

    def __init__(self, url: str) -> None:
        found = [URL(each) for each in each_host(url)]
        self._hosts = deque(random.sample(found, len(found)))

    def __len__(self) -> int:
        return len(self._hosts)

    @property
    def upcoming(self) -> URL:
        """The address of the host to which the next attempt goes."""
        return self._hosts[0]

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a transport, which may not lead to the host of `url`: the connection was made with the first one."""
        host = self.upcoming
        self._hosts.rotate(-1)
        transport = TLSTransportFactory() if url.scheme == "amqps" else TCPTransportFactory()
        return await transport.create(host.with_port(host.port or DEFAULT_PORTS[url.scheme]), **kwargs)


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

"""Publishes messages with confirms, on a connection of its own.

A memory or disk alarm of the broker blocks publishing connections, acknowledgements included; so consumers never share
this connection. After a restart of the broker, queues accept messages a moment before streams do. An event for both
would be confirmed but missing in the stream: after each connect, every stream is asked until it answers.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import aio_pika
import structlog
from aio_pika.exceptions import DeliveryError, PublishError
from aiormq.abc import ChannelFrame, FrameType
from aiormq.channel import Channel
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from shared.error_report import describe
from shared.errors import InfrastructureDown, Undeliverable, Unwritable
from shared.messaging.connection import CONNECTION_PROBLEMS, Connection, connected, underlying

log = structlog.get_logger()

ALARM_SECONDS = 0.5
"""How soon an alarm of the broker, or its end, is noticed."""

MOST_BODY = 16 * 2**20
"""Bytes: the `max_message_size` of RabbitMQ 4. A larger message closes the channel, also for the messages beside it."""
PERSISTENT = 2
LONGEST_IDENTITY = 60
"""Characters; the property has room for 255 bytes."""

Sent = tuple[str, int, asyncio.Future[Any]]
"""A message's id, its delivery tag, and the future of its confirm."""
Framed = tuple[str, bytes]
"""A message's id and its frames."""
Failure = Undeliverable | InfrastructureDown


@dataclass(frozen=True, slots=True)
class Outbound:
    """A persistent JSON message to publish. If not `mandatory`, it may be dropped when no queue is bound."""

    exchange: str
    routing_key: str
    body: bytes
    headers: Mapping[str, Any]
    mandatory: bool = True


class Publisher:
    """Publishes with confirms. `ready` is set while the broker is connected and accepts messages."""

    def __init__(
        self,
        url: str,
        name: str,
        streams: Iterable[str],
        timeout: float = 8.0,
        on_blocked: Callable[[bool], None] = lambda _: None,
    ) -> None:
        """`on_blocked` is called when an alarm of the broker blocks this connection, and when the alarm ends."""
        self._url = url
        self._name = name
        self._streams = tuple(streams)
        self._timeout = timeout
        self._channel: Channel | None = None
        self._lost = asyncio.Event()
        self.connection: Connection | None = None
        self.ready = asyncio.Event()
        self.blocked = False
        self._on_blocked = on_blocked

    async def run(self) -> None:
        """Stay connected until cancelled."""
        pause = 0.2
        while True:
            try:
                async with connected(self._url, f"{self._name}-publisher") as connection:
                    await self._open_channel(connection)
                    pause = 0.2
                    await self._until_lost(connection)
            except CONNECTION_PROBLEMS as problem:
                log.warning("publisher.disconnected", error=type(problem).__name__, again_in=pause)
            finally:
                self.ready.clear()
                self._note(blocked=False)
                self._channel = self.connection = None
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)

    async def _open_channel(self, connection: Connection) -> None:
        for stream in self._streams:
            await self._until_it_answers(connection, stream)
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        self._lost = asyncio.Event()
        channel.close_callbacks.add(lambda *_: self._lost.set())
        connection.close_callbacks.add(lambda *_: self._lost.set())
        self._channel = below = await underlying(channel)
        below.closing.add_done_callback(lambda _: _cancel_confirms(below))
        self.connection = connection
        self.ready.set()
        log.info("publisher.ready", streams=len(self._streams))

    async def _until_it_answers(self, connection: Connection, stream: str) -> None:
        while True:
            try:
                async with connection.channel() as channel:
                    await channel.declare_queue(stream, passive=True)
                    return
            except aio_pika.exceptions.ChannelClosed as problem:
                log.warning("stream.unavailable", stream=stream, error=type(problem).__name__)
                await asyncio.sleep(0.2)

    async def _until_lost(self, connection: Connection) -> None:
        while not self._lost.is_set():
            await self._heed_alarm(connection)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ALARM_SECONDS):
                    await self._lost.wait()

    async def _heed_alarm(self, connection: Connection) -> None:
        """Pause publishing while the broker blocks this connection: it reads nothing, so messages would fill memory."""
        link = connection.transport.connection if connection.transport else None
        blocked = False
        if link is not None:
            try:
                # aiormq's `ready` returns immediately, unless the broker has sent `connection.blocked`.
                async with asyncio.timeout(0.05):
                    await link.ready()
            except TimeoutError:
                blocked = True
        if blocked == self.blocked:
            return
        self._note(blocked=blocked)
        if blocked:
            self.ready.clear()
            log.error("broker.blocked", what_to_do="free memory or disk on the broker; nothing is lost meanwhile")
        else:
            self.ready.set()
            log.info("broker.unblocked")

    def _note(self, *, blocked: bool) -> None:
        self.blocked = blocked
        self._on_blocked(blocked)

    async def publish(
        self, exchange: str, routing_key: str, body: bytes, headers: Mapping[str, Any], *, mandatory: bool = True
    ) -> None:
        """Publish a message; returns after the broker has confirmed that it is stored in each of its queues.

        Raises Undeliverable if it is too large, was returned, refused, or not confirmed in time (then it may have
        arrived: publish it again with the same id), and InfrastructureDown without a connection.
        """
        (problem,) = await self.publish_all([Outbound(exchange, routing_key, body, headers, mandatory)])
        if problem is not None:
            raise problem

    async def publish_all(self, messages: Sequence[Outbound]) -> list[Failure | None]:
        """Publish messages; returns the error of each, None for a confirmed one. Raises InfrastructureDown."""
        channel = self._channel
        if channel is None or not self.ready.is_set():
            raise InfrastructureDown("the broker is unavailable")
        framed = [_framed(channel, message) for message in messages]
        written = [each for each in framed if each is not None]
        try:
            async with asyncio.timeout(self._timeout):
                sent = await self._write(channel, written)
        except CONNECTION_PROBLEMS as problem:
            raise InfrastructureDown(type(problem).__name__) from problem
        try:
            if sent:
                await asyncio.wait([confirmation for _, _, confirmation in sent], timeout=self._timeout)
        finally:
            _forget(channel, sent)
        outcomes = iter(sent)
        return [Unwritable("unwritable") if each is None else _failure(next(outcomes)[2]) for each in framed]

    async def _write(self, channel: Channel, framed: Sequence[Framed]) -> list[Sent]:
        """Write all messages together, with the bookkeeping of aiormq's `basic_publish` to match their confirms."""
        payload = b"".join([frames for _, frames in framed])
        create = asyncio.get_running_loop().create_future
        async with channel.lock:
            sent = [(identity, tag, create()) for tag, (identity, _) in enumerate(framed, channel.delivery_tag + 1)]
            for identity, tag, confirmation in sent:
                channel.confirmations[tag] = confirmation
                channel.message_id_delivery_tag[identity] = tag
            channel.delivery_tag += len(sent)
            try:
                await channel.write_queue.put(ChannelFrame(payload=payload, should_close=False))
            except BaseException:
                # Nothing has been sent, and the lock kept other tags from being assigned meanwhile.
                channel.delivery_tag -= len(sent)
                for _, tag, _ in sent:
                    channel.confirmations.pop(tag, None)
                _forget(channel, sent)
                raise
        return sent


@contextlib.asynccontextmanager
async def publishing(url: str, name: str) -> AsyncIterator[Publisher]:
    """A publisher that is ready, for as long as the body runs."""
    publisher = Publisher(url, name, streams=())
    running = asyncio.create_task(publisher.run())
    try:
        await publisher.ready.wait()
        yield publisher
    finally:
        running.cancel()
        await asyncio.wait([running])


def _framed(channel: Channel, message: Outbound) -> Framed | None:
    """Encode a message; None if it cannot be written (a name of 256 bytes, a body above the limit)."""
    identity = _identity(message)
    try:
        frames = _frames(message, identity, channel.max_content_size)
        return identity, ChannelFrame.marshall(channel.number, frames).payload
    except (ValueError, TypeError) as problem:
        log.error("message.unwritable", routing_key=message.routing_key, error=describe(problem))  # noqa: TRY400
        return None


def _frames(message: Outbound, identity: str, most: int) -> Iterator[FrameType]:
    """Return a method, a header, and the body in frames of `most` bytes; raises ValueError or TypeError (pamqp)."""
    if len(message.body) > MOST_BODY:
        raise ValueError(f"a body of {len(message.body)} bytes")
    yield Basic.Publish(exchange=message.exchange, routing_key=message.routing_key, mandatory=message.mandatory)
    properties = Basic.Properties(
        content_type="application/json",
        headers=dict(message.headers),
        delivery_mode=PERSISTENT,
        message_id=identity,
    )
    yield ContentHeader(body_size=len(message.body), properties=properties)
    for start in range(0, len(message.body), most):
        yield ContentBody(message.body[start : start + most])


def _identity(message: Outbound) -> str:
    """Return the id that identifies a returned message: the id of its event if it has a valid one."""
    given = message.headers.get("ce-id")
    return given if isinstance(given, str) and len(given) <= LONGEST_IDENTITY else uuid4().hex


def _forget(channel: Channel, sent: Sequence[Sent]) -> None:
    """Remove the ids of sent messages. A late confirm still finds its tag; a late return does not find its id."""
    for identity, tag, _ in sent:
        if channel.message_id_delivery_tag.get(identity) == tag:
            del channel.message_id_delivery_tag[identity]


def _cancel_confirms(channel: Channel) -> None:
    """Cancel the waiting confirms of a closed channel."""
    for confirmation in channel.confirmations.values():
        confirmation.cancel()


def _failure(confirmation: asyncio.Future[Any]) -> Failure | None:
    if not confirmation.done():
        confirmation.cancel()
        return Undeliverable("unconfirmed")
    if confirmation.cancelled():
        return InfrastructureDown("the channel was closed")
    problem = confirmation.exception()
    if problem is None:
        return None
    if isinstance(problem, PublishError):
        return Undeliverable("unroutable")
    if isinstance(problem, DeliveryError):
        return Undeliverable("refused")
    return InfrastructureDown(type(problem).__name__)

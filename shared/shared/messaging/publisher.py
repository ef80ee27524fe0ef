"""The one way out to the broker: a connection of its own, confirms, and a log that is known to listen.

A memory or disk alarm blocks publishing connections, acks included; that is why consumers never share this one.
For a moment after a broker restart a stream takes nothing while queues already do, and an event routed to both would be
confirmed and missing from the log: so after every (re)connect each stream is asked until it answers.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
"""How soon an alarm of the broker is noticed, and its end."""

MOST_BODY = 16 * 2**20
"""Bytes: RabbitMQ 4's `max_message_size`, above which it closes the channel on all that were sent with it."""
PERSISTENT = 2
LONGEST_IDENTITY = 60
"""Characters: the property holds 255 bytes."""

Sent = tuple[str, int, asyncio.Future[Any]]
"""A message's id, its delivery tag, and what its confirmation settles."""
Framed = tuple[str, bytes]
"""A message's id and its frames."""
Failure = Undeliverable | InfrastructureDown


@dataclass(frozen=True, slots=True)
class Outbound:
    """A persistent JSON message to publish; unless `mandatory`, it may reach no queue at all."""

    exchange: str
    routing_key: str
    body: bytes
    headers: Mapping[str, Any]
    mandatory: bool = True


class Publisher:
    """Publishes with confirms while the broker is there; `ready` is set exactly then."""

    def __init__(
        self,
        url: str,
        name: str,
        streams: Iterable[str],
        timeout: float = 8.0,
        heard: Callable[[bool], None] = lambda _: None,
    ) -> None:
        """`heard` is told when an alarm of the broker blocks this connection, and when it is over."""
        self._url = url
        self._name = name
        self._streams = tuple(streams)
        self._timeout = timeout
        self._channel: Channel | None = None
        self._lost = asyncio.Event()
        self.connection: Connection | None = None
        self.ready = asyncio.Event()
        self.blocked = False
        self._heard = heard

    async def run(self) -> None:
        """Stay connected until cancelled."""
        pause = 0.2
        while True:
            try:
                async with connected(self._url, f"{self._name}-publisher") as connection:
                    await self._listen(connection)
                    pause = 0.2
                    await self._until_lost(connection)
            except CONNECTION_PROBLEMS as problem:
                log.warning("publisher.away", error=type(problem).__name__, again_in=pause)
            finally:
                self.ready.clear()
                self._note(blocked=False)
                self._channel = self.connection = None
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)

    async def _listen(self, connection: Connection) -> None:
        for stream in self._streams:
            await self._until_it_answers(connection, stream)
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        self._lost = asyncio.Event()
        channel.close_callbacks.add(lambda *_: self._lost.set())
        connection.close_callbacks.add(lambda *_: self._lost.set())
        self._channel = below = await underlying(channel)
        below.closing.add_done_callback(lambda _: _let_go(below))
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
                log.warning("stream.silent", stream=stream, error=type(problem).__name__)
                await asyncio.sleep(0.2)

    async def _until_lost(self, connection: Connection) -> None:
        while not self._lost.is_set():
            await self._heed_alarm(connection)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ALARM_SECONDS):
                    await self._lost.wait()

    async def _heed_alarm(self, connection: Connection) -> None:
        """With a memory or disk alarm the broker says `connection.blocked` and reads nothing: it would pile up here."""
        link = connection.transport.connection if connection.transport else None
        blocked = False
        if link is not None:
            try:
                # aiormq's `ready` returns at once, unless the broker has said that it takes nothing.
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
        self._heard(blocked)

    async def publish(
        self, exchange: str, routing_key: str, body: bytes, headers: Mapping[str, Any], *, mandatory: bool = True
    ) -> None:
        """Return once the broker has confirmed that the message is safe in every queue it was routed to.

        Raises Undeliverable when it cannot be written, was returned, refused, or not confirmed in time (then it may
        have arrived: publish the same id again), and InfrastructureDown while there is no connection.
        """
        (problem,) = await self.publish_all([Outbound(exchange, routing_key, body, headers, mandatory)])
        if problem is not None:
            raise problem

    async def publish_all(self, messages: Sequence[Outbound]) -> list[Failure | None]:
        """What kept each message from being confirmed; None for those that are safe. Raises as `publish` does."""
        channel = self._channel
        if channel is None or not self.ready.is_set():
            raise InfrastructureDown("the broker is away")
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
        """All of them in one write. As aiormq's `basic_publish` does for one, with what it keeps to match confirms."""
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
                # Nothing has been sent, and nobody else has counted on meanwhile.
                channel.delivery_tag -= len(sent)
                for _, tag, _ in sent:
                    channel.confirmations.pop(tag, None)
                _forget(channel, sent)
                raise
        return sent


def _framed(channel: Channel, message: Outbound) -> Framed | None:
    """None for what cannot be written (a name of 256 bytes, a body above the limit): its batch's others go."""
    identity = _identity(message)
    try:
        frames = _frames(message, identity, channel.max_content_size)
        return identity, ChannelFrame.marshall(channel.number, frames).payload
    except (ValueError, TypeError) as problem:
        log.error("message.unwritable", routing_key=message.routing_key, error=describe(problem))  # noqa: TRY400
        return None


def _frames(message: Outbound, identity: str, most: int) -> Iterator[FrameType]:
    """A method, a header, and the body in frames of `most` bytes; raises ValueError or TypeError (pamqp)."""
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
    """What a returned message is known by: its event's id, if there is a proper one."""
    given = message.headers.get("ce-id")
    return given if isinstance(given, str) and len(given) <= LONGEST_IDENTITY else uuid4().hex


def _forget(channel: Channel, sent: Sequence[Sent]) -> None:
    """A confirmation that comes yet finds its tag; what is returned is no longer found by its id."""
    for identity, tag, _ in sent:
        if channel.message_id_delivery_tag.get(identity) == tag:
            del channel.message_id_delivery_tag[identity]


def _let_go(channel: Channel) -> None:
    """Nothing more is confirmed on a channel that is closed."""
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

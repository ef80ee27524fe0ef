"""A channel that publishes messages with confirms, many in one write."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import structlog
from aio_pika.exceptions import DeliveryError, PublishError
from aiormq.abc import ChannelFrame, FrameType
from aiormq.channel import Channel
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from shared.error_report import describe
from shared.errors import InfrastructureDown, Undeliverable, Unwritable
from shared.messaging.connection import CONNECTION_PROBLEMS, Connection, underlying

log = structlog.get_logger()

MOST_BODY = 16 * 2**20
"""Bytes: the `max_message_size` of RabbitMQ 4. A larger message closes the channel, also for the messages beside it."""
PERSISTENT = 2
LONGEST_IDENTITY = 60
"""Characters; the property has room for 255 bytes."""
UNROUTABLE, REFUSED = "unroutable", "refused"

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


class ConfirmingChannel:
    """A channel on a connection of the publisher; it ends with its connection, or with an error of the broker."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        channel.closing.add_done_callback(lambda _: self._cancel_confirms())

    @classmethod
    async def open(cls, connection: Connection, on_loss: Callable[[], None]) -> "ConfirmingChannel":
        """Open a channel; `on_loss` is called when it closes."""
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        channel.close_callbacks.add(lambda *_: on_loss())
        return cls(await underlying(channel))

    @property
    def unconfirmed(self) -> int:
        """How many messages have no confirm."""
        return len(self._channel.confirmations)

    async def publish(self, messages: Sequence[Outbound], patience: float) -> list[Failure | None]:
        """Publish messages; returns the error of each, None for one that was confirmed within `patience` seconds."""
        framed = [_framed(self._channel, message) for message in messages]
        unwritable = Unwritable("unwritable")
        try:
            async with asyncio.timeout(patience):
                sent = await self._write([each for each in framed if each is not None])
        except CONNECTION_PROBLEMS as problem:
            lost = InfrastructureDown(type(problem).__name__)
            return [unwritable if each is None else lost for each in framed]
        try:
            if sent:
                await asyncio.wait([confirmation for _, _, confirmation in sent], timeout=patience)
        finally:
            self._forget(sent)
        outcomes = iter(sent)
        return [unwritable if each is None else _failure(next(outcomes)[2]) for each in framed]

    async def _write(self, framed: Sequence[Framed]) -> list[Sent]:
        """Write all messages together, with the bookkeeping of aiormq's `basic_publish` to match their confirms."""
        channel = self._channel
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
                self._forget(sent)
                raise
        return sent

    def _forget(self, sent: Sequence[Sent]) -> None:
        """Remove the ids of sent messages. A late confirm still finds its tag; a late return does not find its id."""
        tags = self._channel.message_id_delivery_tag
        for identity, tag, _ in sent:
            if tags.get(identity) == tag:
                del tags[identity]

    def _cancel_confirms(self) -> None:
        """Cancel the waiting confirms of a closed channel."""
        for confirmation in self._channel.confirmations.values():
            confirmation.cancel()


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
        return Undeliverable(UNROUTABLE)
    if isinstance(problem, DeliveryError):
        return Undeliverable(REFUSED)
    return InfrastructureDown(type(problem).__name__)

"""Publishes messages with confirms, on a connection of its own.

A memory or disk alarm of the broker blocks publishing connections, acknowledgements included; so consumers never share
this connection. After a restart of the broker, queues accept messages a moment before streams do. An event for both
would be confirmed but missing in the stream: after each connect, every stream is asked until it answers.

The events of each stream have a channel of their own. When a stream gets another leader, RabbitMQ before 4.0 numbers
what was not confirmed by the channel's count of messages, and drops (but confirms) later ones with a lower number of
the stream's own count. Both counts are equal on a channel whose every message goes to the stream (docs/decisions/0072).
"""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any

import aio_pika
import structlog

from shared.errors import InfrastructureDown
from shared.messaging.confirming_channel import REFUSED, UNROUTABLE, ConfirmingChannel, Failure, Outbound
from shared.messaging.connection import CONNECTION_PROBLEMS, Connection, connected
from shared.messaging.topology import EVENTS, LOGS

log = structlog.get_logger()

ALARM_SECONDS = 0.5
"""How soon an alarm of the broker, or its end, is noticed."""

REFUSED_SECONDS = 2.0
"""The least age of channels that are replaced because one was refused: a queue that is full refuses on each."""

NO_STREAM = ""
"""The channel of messages that go to no stream."""


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
        self._stream_of = {noun: stream for stream in self._streams for noun in LOGS.get(stream, ())}
        self._timeout = timeout
        self._channels: dict[str, ConfirmingChannel] = {}
        self._lost = asyncio.Event()
        self._opened = 0.0
        self.connection: Connection | None = None
        self.ready = asyncio.Event()
        self.blocked = False
        self._on_blocked = on_blocked

    @property
    def unconfirmed(self) -> int:
        """How many messages have no confirm."""
        return sum(channel.unconfirmed for channel in self._channels.values())

    async def run(self) -> None:
        """Stay connected until cancelled."""
        pause = 0.2
        while True:
            try:
                async with connected(self._url, f"{self._name}-publisher") as connection:
                    await self._open_channels(connection)
                    pause = 0.2
                    await self._until_lost(connection)
            except CONNECTION_PROBLEMS as problem:
                log.warning("publisher.disconnected", error=type(problem).__name__, again_in=pause)
            finally:
                self.ready.clear()
                self._note(blocked=False)
                self._channels, self.connection = {}, None
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)

    async def _open_channels(self, connection: Connection) -> None:
        for stream in self._streams:
            await self._until_it_answers(connection, stream)
        self._lost = lost = asyncio.Event()
        connection.close_callbacks.add(lambda *_: lost.set())
        self._channels = {
            stream: await ConfirmingChannel.open(connection, lost.set) for stream in (NO_STREAM, *self._streams)
        }
        self.connection, self._opened = connection, time.monotonic()
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
        if not self.ready.is_set():
            raise InfrastructureDown("the broker is unavailable")
        channels, lost = self._channels, self._lost  # what the tasks below begin with may be lost before they begin
        shares = defaultdict[str, list[int]](list)
        for place, message in enumerate(messages):
            shares[self._channel_of(message)].append(place)
        outcomes = await asyncio.gather(
            *(
                channels[stream].publish([messages[place] for place in share], self._timeout)
                for stream, share in shares.items()
            )
        )
        if any(self._is_spent(stream, outcome) for stream, outcome in zip(shares, outcomes, strict=True)):
            lost.set()
        found = dict[int, Failure | None]()
        for share, outcome in zip(shares.values(), outcomes, strict=True):
            found |= zip(share, outcome, strict=True)
        return [found[place] for place in range(len(messages))]

    def _channel_of(self, message: Outbound) -> str:
        if message.exchange != EVENTS:
            return NO_STREAM
        return self._stream_of.get(message.routing_key.partition(".")[0], NO_STREAM)

    def _is_spent(self, stream: str, outcome: Sequence[Failure | None]) -> bool:
        """Whether a channel must be replaced after what became of its messages.

        Its count runs ahead of the stream's after a return. And a channel whose first message for a queue found no
        leader is refused for as long as the node is away that led the queue before.
        """
        reasons = {str(failure) for failure in outcome if failure is not None}
        refused = REFUSED in reasons and time.monotonic() - self._opened > REFUSED_SECONDS
        return refused or (stream != NO_STREAM and UNROUTABLE in reasons)


@contextlib.asynccontextmanager
async def publishing(url: str, name: str, streams: Iterable[str] = ()) -> AsyncIterator[Publisher]:
    """Run a publisher until the body ends; `streams` are those that its events go to."""
    publisher = Publisher(url, name, streams)
    running = asyncio.create_task(publisher.run())
    try:
        await publisher.ready.wait()
        yield publisher
    finally:
        running.cancel()
        await asyncio.wait([running])

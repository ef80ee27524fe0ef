"""The one way out to the broker: a connection of its own, confirms, and a log that is known to listen.

A memory or disk alarm blocks publishing connections, acks included; that is why consumers never share this one.
For a moment after a broker restart a stream takes nothing while queues already do, and an event routed to both would be
confirmed and missing from the log: so after every (re)connect each stream is asked until it answers.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange, DeliveryMode
from aio_pika.exceptions import AMQPException, DeliveryError, PublishError

from shared.errors import InfrastructureDown, Undeliverable

log = structlog.get_logger()

CONNECTION_PROBLEMS = (AMQPException, ConnectionError, OSError, RuntimeError, asyncio.TimeoutError)
"""What aio-pika raises while the broker is away; RuntimeError comes from a channel that is being closed."""


ALARM_SECONDS = 0.5
"""How soon an alarm of the broker is noticed, and its end."""


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
        self._channel: AbstractChannel | None = None
        self.connection: AbstractConnection | None = None
        self._exchanges: dict[str, AbstractExchange] = {}
        self.ready = asyncio.Event()
        self.blocked = False
        self._heard = heard

    async def run(self) -> None:
        """Stay connected until cancelled."""
        pause = 0.2
        while True:
            try:
                async with await aio_pika.connect(
                    self._url, timeout=5, client_properties={"connection_name": f"{self._name}-publisher"}
                ) as connection:
                    await self._listen(connection)
                    pause = 0.2
                    await self._until_closed(connection)
            except CONNECTION_PROBLEMS as problem:
                log.warning("publisher.away", error=type(problem).__name__, again_in=pause)
            finally:
                self.ready.clear()
                self._note(blocked=False)
                self._channel = self.connection = None
                self._exchanges = {}
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)

    async def _listen(self, connection: AbstractConnection) -> None:
        for stream in self._streams:
            await self._until_it_answers(connection, stream)
        self._channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        self.connection = connection
        self.ready.set()
        log.info("publisher.ready", streams=len(self._streams))

    async def _until_it_answers(self, connection: AbstractConnection, stream: str) -> None:
        while True:
            try:
                async with connection.channel() as channel:
                    await channel.declare_queue(stream, passive=True)
                    return
            except aio_pika.exceptions.ChannelClosed as problem:
                log.warning("stream.silent", stream=stream, error=type(problem).__name__)
                await asyncio.sleep(0.2)

    async def _until_closed(self, connection: AbstractConnection) -> None:
        closed = asyncio.Event()
        connection.close_callbacks.add(lambda *_: closed.set())
        if self._channel is not None:
            self._channel.close_callbacks.add(lambda *_: closed.set())
        while not closed.is_set():
            await self._heed_alarm(connection)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ALARM_SECONDS):
                    await closed.wait()

    async def _heed_alarm(self, connection: AbstractConnection) -> None:
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
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        headers: Mapping[str, Any],
        *,
        mandatory: bool = True,
    ) -> None:
        """Return once the broker has confirmed that the message is safe in every queue it was routed to.

        Raises Undeliverable when it was returned, refused, or not confirmed in time (then it may have arrived: publish
        the same id again), and InfrastructureDown while there is no connection.
        """
        channel = self._channel
        if channel is None or not self.ready.is_set():
            raise InfrastructureDown("the broker is away")
        message = aio_pika.Message(
            body,
            headers=dict(headers),
            content_type="application/json",
            message_id=headers.get("ce-id"),
            delivery_mode=DeliveryMode.PERSISTENT,
        )
        try:
            target = await self._exchange(channel, exchange)
            await target.publish(message, routing_key, mandatory=mandatory, timeout=self._timeout)
        except PublishError as problem:
            raise Undeliverable("unroutable") from problem
        except DeliveryError as problem:
            raise Undeliverable("refused") from problem
        except TimeoutError as problem:
            raise Undeliverable("unconfirmed") from problem
        except CONNECTION_PROBLEMS as problem:
            raise InfrastructureDown(type(problem).__name__) from problem

    async def _exchange(self, channel: AbstractChannel, name: str) -> AbstractExchange:
        if name not in self._exchanges:
            self._exchanges[name] = await channel.get_exchange(name, ensure=False) if name else channel.default_exchange
        return self._exchanges[name]

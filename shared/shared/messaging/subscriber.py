"""Subscribes a service to its queues by FastStream: one connection, a channel and a prefetch for each queue.

A processor around each handler decides what becomes of a message; FastStream acknowledges it or requeues it. Consumers
are started again by a loop here and not by aio-pika's robust queues: with those, one missing queue ends the connection
that all queues share (docs/decisions/0025).
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import structlog
from aio_pika import IncomingMessage, RobustChannel, RobustConnection
from aio_pika.abc import AbstractConnection
from aiormq.channel import Channel as LowerChannel
from faststream import BaseMiddleware, ContextRepo, StreamMessage
from faststream.middlewares import AckPolicy
from faststream.rabbit import Channel, RabbitBroker, RabbitQueue
from faststream.rabbit.subscriber import RabbitSubscriber

from shared.broker_address import each_host
from shared.messaging.connection import (
    CONNECT_SECONDS,
    CONNECTION_PROBLEMS,
    HostRotation,
    library_errors,
    on_hosts,
    underlying,
)

log = structlog.get_logger()

PAUSE_SECONDS = 0.5
"""Pause before a lost connection or consumer is started again."""
CANCEL_SECONDS = 1.0
SETTLE_SECONDS = 1.0
"""A stop waits at most so long until the queues have recorded its acknowledgements."""
SETTLE_POLL_SECONDS = 0.01
REQUEUE_SECONDS = 1.0
"""Pause before a message that could not be settled is requeued."""

Message: TypeAlias = StreamMessage[Any]
Decode = Callable[[Message], Awaitable[Any]]
Handle = Callable[..., Awaitable[None]]
"""Called with what was decoded; a sequence is its arguments."""
Process = Callable[[Callable[[Message], Awaitable[Any]], Message], Awaitable[None]]
"""Runs decoder and handler by its first argument; returns when the message may be acknowledged.

Raises when it cannot be settled: it is requeued, and the broker counts how often.
"""


class Unsettled(Exception):
    """A message could not be settled: it is requeued. The error was logged."""


class ProcessingMiddleware(BaseMiddleware[Any, IncomingMessage | None]):
    """Runs a queue's processor around its handler."""

    def __init__(
        self, message: IncomingMessage | None, /, *, context: ContextRepo, processes: Mapping[str, Process]
    ) -> None:
        super().__init__(message, context=context)
        self._processes = processes

    async def consume_scope(self, call_next: Callable[[Message], Awaitable[Any]], msg: Message) -> None:
        """Process one message. FastStream logs nothing of what is raised here, so this does."""
        queue = self.context.get_local("handler_").queue.name
        try:
            await self._processes[queue](call_next, msg)
        except Exception as problem:
            log.exception("message.unsettled", queue=queue)
            await asyncio.sleep(REQUEUE_SECONDS)
            # Other middlewares record the text of what they see, which may quote values of the message.
            raise Unsettled(type(problem).__name__) from None


class ConsumerConnection(RobustConnection):
    """Connects again by itself, but leaves its channels closed: it would open one after the other.

    Each consumer opens its own, all at once: with 30 queues, in a few round trips in place of 60. On a cluster that has
    just lost a node each can take seconds.
    """

    def channel(
        self, channel_number: int | None = None, publisher_confirms: bool = True, on_return_raises: bool = False
    ) -> RobustChannel:
        """Make a channel that this connection does not restore."""
        return RobustChannel(self, channel_number, publisher_confirms, on_return_raises)


class ClusterBroker(RabbitBroker):
    """FastStream's broker, whose connection knows all hosts of an address. It waits for a broker that is away."""

    def __init__(self, url: str, name: str, **options: Any) -> None:
        super().__init__(each_host(url)[0], **options)
        self._hosts, self._name = HostRotation(url), name

    async def _connect(self) -> RobustConnection:
        connection = on_hosts(
            ConsumerConnection, self._hosts, self._name, fail_fast=False, reconnect_interval=PAUSE_SECONDS
        )
        try:
            await connection.connect(timeout=CONNECT_SECONDS)
        except asyncio.CancelledError:
            await connection.close()  # it would try for ever
            raise
        self.config.connect(connection)
        return connection


class _QueueSwitch:
    """Whether a queue is consumed: one of two events is set, so that both changes can be waited for."""

    def __init__(self) -> None:
        self.on, self.off = asyncio.Event(), asyncio.Event()
        self.on.set()

    def turn(self, *, on: bool) -> None:
        """Switch; the same twice changes nothing."""
        (self.on if on else self.off).set()
        (self.off if on else self.on).clear()


class Subscriber:
    """All subscriptions of a service. `run` it, `begin` when the queues exist, and `stop` to drain."""

    def __init__(self, url: str, name: str, *, drain: float, around: Sequence[Any] = ()) -> None:
        """`drain`: seconds that `stop` waits for; `around`: middlewares that come first."""
        self._drain = drain
        self._begun = asyncio.Event()
        self._processes: dict[str, Process] = {}
        self._subscribers: list[RabbitSubscriber] = []
        self._switches: dict[str, _QueueSwitch] = {}
        self.broker = ClusterBroker(
            url,
            f"{name}-consumer",
            graceful_timeout=drain + 1,  # `stop` raises before it
            middlewares=[*around, partial(ProcessingMiddleware, processes=self._processes)],
            apply_types=False,
            logger=None,
        )

    @property
    def queues(self) -> list[str]:
        """The names of the subscribed queues."""
        return list(self._processes)

    def subscribe(self, queue: str, decode: Decode, handle: Handle, process: Process, *, prefetch: int) -> None:
        """Consume from a queue that the topology step has declared, with up to `prefetch` unacknowledged messages."""
        self._processes[queue] = process
        subscriber = self.broker.subscriber(
            RabbitQueue(queue, durable=True, declare=False, robust=False),
            channel=Channel(prefetch_count=prefetch, publisher_confirms=False),
            ack_policy=AckPolicy.NACK_ON_ERROR,
            decoder=decode,
            no_reply=True,
        )
        subscriber(handle)
        self._subscribers.append(subscriber)
        self._switches[queue] = _QueueSwitch()

    def pause(self, queue: str) -> None:
        """Consume no more from one queue; what was received is finished."""
        self._switches[queue].turn(on=False)

    def resume(self, queue: str) -> None:
        """Consume from a paused queue again."""
        self._switches[queue].turn(on=True)

    def begin(self) -> None:
        """Start to consume."""
        self._begun.set()

    async def run(self) -> None:
        """Consume until cancelled; reconnects after each loss of the broker."""
        if not self._subscribers:
            return
        await self._begun.wait()
        connection = await self.broker.connect()
        try:
            async with asyncio.TaskGroup() as consumers:
                for each in self._subscribers:
                    consumers.create_task(self._keep(each, connection))
        finally:
            await connection.close()  # cancels what is still being processed
            await self.broker.stop()

    async def _keep(self, subscriber: RabbitSubscriber, connection: AbstractConnection) -> None:
        """Consume from one queue while it is not paused; start again after each loss of the channel or the queue."""
        switch = self._switches[subscriber.queue.name]
        while True:
            await self._begun.wait()
            await switch.on.wait()
            settled: Callable[[], Awaitable[None]] = _nothing_to_wait_for
            try:
                await connection.ready()
                with library_errors():
                    channel = await self.broker.config.channel_manager.get_channel(subscriber.channel)
                    await channel.restore()
                    # Set by FastStream when its start returns. It drops what comes before: never acknowledged, it would
                    # fill the prefetch until the channel is lost.
                    subscriber.running = True
                    await subscriber.start()
                await self._until_lost(subscriber, switch)
                if switch.off.is_set():
                    settled = await self._cancel(subscriber)
            except CONNECTION_PROBLEMS as problem:
                log.warning("consumer.interrupted", queue=subscriber.queue.name, error=type(problem).__name__)
            with contextlib.suppress(*CONNECTION_PROBLEMS), library_errors():
                await subscriber.stop()  # waits for what it is processing: `start` would forget it
            await settled()
            await asyncio.sleep(PAUSE_SECONDS)

    async def _until_lost(self, subscriber: RabbitSubscriber, switch: "_QueueSwitch") -> None:
        """Return when the queue is paused, its channel closes, or the broker cancels because it was deleted."""
        lost = asyncio.Event()
        channel = await self._channel(subscriber)
        channel.closing.add_done_callback(lambda _: lost.set())
        channel.on_consumer_cancel_callbacks.add(lambda _: lost.set())
        if channel.consumers:  # else this is already the channel that replaces the lost one
            waits = [asyncio.create_task(event.wait()) for event in (lost, switch.off)]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in waits:
                    each.cancel()

    async def _channel(self, subscriber: RabbitSubscriber) -> LowerChannel:
        """Return the channel of a started subscriber, whose broker remembers the queue."""
        with library_errors():
            queue = await self.broker.declare_queue(subscriber.queue)
            return await underlying(queue.channel)

    async def stop(self) -> None:
        """Stop consuming and wait for the messages in process; raises TimeoutError after `drain` seconds.

        Consumers are cancelled first. FastStream's own `stop` drops what comes before it has cancelled, and RabbitMQ
        counts a delivery of each of those messages.
        """
        self._begun.clear()
        running = [each for each in self._subscribers if each.running]
        settlements = await asyncio.gather(*(self._cancel(each) for each in running))
        async with asyncio.timeout(self._drain):
            with library_errors():
                await asyncio.gather(*(each.stop() for each in self._subscribers))
        await asyncio.gather(*(settled() for settled in settlements))

    async def _cancel(self, subscriber: RabbitSubscriber) -> Callable[[], Awaitable[None]]:
        """Cancel a consumer; returns what waits until its queue has recorded all acknowledgements.

        A quorum queue may return the few messages that it sends while it is being cancelled; each is counted as one
        delivery. No client can prevent this.
        """
        queue = subscriber.queue.name
        with contextlib.suppress(*CONNECTION_PROBLEMS), library_errors():
            async with asyncio.timeout(CANCEL_SECONDS):
                channel = await self._channel(subscriber)
                before = await _count_consumers(channel, queue)
                for tag in tuple(channel.consumers):
                    await channel.basic_cancel(tag)
                await _count_consumers(channel, queue)  # a round trip: what came before has reached its handler
                return partial(_wait_until_settled, channel, queue, before)
        return _nothing_to_wait_for


async def _count_consumers(channel: LowerChannel, queue: str) -> int:
    return (await channel.queue_declare(queue, passive=True)).consumer_count or 0


async def _wait_until_settled(channel: LowerChannel, queue: str, before: int) -> None:
    """Wait until a cancelled consumer is gone: RabbitMQ removes it when its last acknowledgement is recorded.

    RabbitMQ has at most 32 acknowledgements of a channel on their way to a quorum queue. It holds the others back, and
    drops them if the channel closes: their messages would be delivered again, and counted.
    """
    with contextlib.suppress(*CONNECTION_PROBLEMS), library_errors():
        async with asyncio.timeout(SETTLE_SECONDS):
            while await _count_consumers(channel, queue) >= before:
                await asyncio.sleep(SETTLE_POLL_SECONDS)


async def _nothing_to_wait_for() -> None:
    """Return at once: the channel was lost."""

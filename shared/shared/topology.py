"""Puts a Topology on a broker, checks that it is there, and says what the broker should be set to."""

from collections.abc import Mapping
from typing import Any

import structlog
from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import ChannelClosed

from shared.bus import Queue, Topology
from shared.errors import Refused
from shared.limits import LONGEST

log = structlog.get_logger()
OLDEST = (3, 10)
NEEDED = ("publisher_confirms", "basic.nack", "consumer_cancel_notify", "connection.blocked")
CONSUMER_TIMEOUT_MS = int((LONGEST + 300) * 1000)
"""Above the longest task, which holds its message to the end (`limits.LONGEST`)."""


def check_broker(connection: AbstractConnection) -> None:
    """Refuse a broker that cannot do what is needed; say what it should be set to where that cannot be seen."""
    link = getattr(connection.transport, "connection", None)
    version = judge(getattr(link, "server_properties", {}) or {})
    log.info("broker.checked", version=version, set_consumer_timeout_ms=f"at least {CONSUMER_TIMEOUT_MS}")


def judge(offered: Mapping[str, Any]) -> str:
    """The version of a broker, from what it says when one connects; raises Refused.

    Streams and at-least-once dead letters both came with RabbitMQ 3.10. Its `consumer_timeout` is told to nobody: the
    default of 30 minutes is right, a lower one would take long work away from whoever is at it.
    """
    version = _text(offered.get("version"))
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < OLDEST:
        raise Refused(f"RabbitMQ {version or 'of unknown version'} found; 3.10 or newer is needed for streams")
    able = offered.get("capabilities") or {}
    if missing := [name for name in NEEDED if not able.get(name)]:
        raise Refused(f"the broker at AMQP_URL does not offer {', '.join(missing)}; is it RabbitMQ, without a proxy?")
    return version


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value or "")


async def declare(connection: AbstractConnection, topology: Topology) -> None:
    """Declare everything; what exists with other arguments is refused, naming what to do."""
    check_broker(connection)
    async with connection.channel() as channel:
        for exchange in topology.exchanges:
            await channel.declare_exchange(exchange.name, ExchangeType(exchange.kind), durable=True)
    for queue in topology.queues:
        try:
            async with connection.channel() as channel:
                await _declare_queue(channel, queue)
        except ChannelClosed as problem:
            raise Refused(
                f"queue {queue.name} exists with other arguments ({problem.args[-1]}); "
                "drain and delete it, then run the topology step again"
            ) from problem
    log.info("topology.declared", exchanges=len(topology.exchanges), queues=len(topology.queues))


async def _declare_queue(channel: AbstractChannel, queue: Queue) -> None:
    declared = await channel.declare_queue(queue.name, durable=True, arguments=queue.arguments)
    for exchange, key in queue.bindings:
        await declared.bind(exchange, key)


async def missing(connection: AbstractConnection, topology: Topology) -> list[str]:
    """Names of queues that are not on the broker. A lost binding of a queue that is there is made again."""
    gone = []
    for queue in topology.queues:
        try:
            async with connection.channel() as channel:
                found = await channel.declare_queue(queue.name, passive=True)
                for exchange, key in queue.bindings:
                    await found.bind(exchange, key)
        except ChannelClosed:
            gone.append(queue.name)
    return gone

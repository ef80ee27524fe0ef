"""Puts a Topology on a broker, checks that it is there, and says what the broker should be set to."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog
from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import ChannelClosed

from shared.errors import Refused
from shared.messaging.topology import LONGEST_TASK_SECONDS, Queue, Topology

log = structlog.get_logger()
OLDEST = (3, 10)
LIMITS_ALL = 4
NEEDED = ("publisher_confirms", "basic.nack", "consumer_cancel_notify", "connection.blocked")
CONSUMER_TIMEOUT_MS = int((LONGEST_TASK_SECONDS + 300) * 1000)
"""Above the longest task, which holds its message to the end."""


def check_broker(connection: AbstractConnection) -> str:
    """Refuse a broker that cannot do what is needed; say what it should be set to where that cannot be seen.

    Returns its version.
    """
    link = getattr(connection.transport, "connection", None)
    version = judge(getattr(link, "server_properties", {}) or {})
    log.info("broker.checked", version=version, set_consumer_timeout_ms=f"at least {CONSUMER_TIMEOUT_MS}")
    return version


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
    version = check_broker(connection)
    async with connection.channel() as channel:
        for exchange in topology.exchanges:
            await channel.declare_exchange(exchange.name, ExchangeType(exchange.kind), durable=True)
    for queue in topology.queues:
        await _declare(connection, queue, version)
    log.info("topology.declared", exchanges=len(topology.exchanges), queues=len(topology.queues))


async def _declare(connection: AbstractConnection, queue: Queue, version: str) -> None:
    """A queue as it is meant; one that was made before the broker was upgraded is taken as it is, and told."""
    meant = _as_meant(queue, version)
    refusals = []
    for each in (meant, queue) if meant is not queue else (queue,):
        try:
            async with connection.channel() as channel:
                await _declare_queue(channel, each)
        except ChannelClosed as problem:
            refusals.append(problem)
        else:
            if refusals:
                log.warning("queue.limited", queue=queue.name, what_to_do="give it a policy with delivery-limit -1")
            return
    raise Refused(
        f"queue {queue.name} exists with other arguments ({refusals[-1].args[-1]}); "
        "drain and delete it, then run the topology step again"
    ) from refusals[-1]


def _as_meant(queue: Queue, version: str) -> Queue:
    """From RabbitMQ 4 on a quorum queue without a limit has one of 20, and drops what was in hand at 21 crashes."""
    limited = "x-delivery-limit" in queue.arguments or queue.arguments.get("x-queue-type") != "quorum"
    if limited or int(version.partition(".")[0]) < LIMITS_ALL:
        return queue
    return replace(queue, arguments=queue.arguments | {"x-delivery-limit": -1})


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

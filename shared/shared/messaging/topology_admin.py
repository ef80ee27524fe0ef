"""Declares a topology on the broker, checks that it exists, and checks the broker itself."""

from collections.abc import Iterable, Mapping
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
"""Longer than the longest task, which keeps its message unacknowledged to the end."""


def check_broker(connection: AbstractConnection) -> str:
    """Check the broker and return its version; raises Refused if it lacks a required feature.

    The required `consumer_timeout` is logged, because a client cannot read the broker's setting.
    """
    link = getattr(connection.transport, "connection", None)
    version = judge(getattr(link, "server_properties", {}) or {})
    log.info("broker.checked", version=version, set_consumer_timeout_ms=f"at least {CONSUMER_TIMEOUT_MS}")
    return version


def judge(offered: Mapping[str, Any]) -> str:
    """Return the version from the broker's server properties; raises Refused for one that is too old or not suitable.

    Streams and at-least-once dead letters exist since RabbitMQ 3.10. Its `consumer_timeout` is not among the
    properties: the default of 30 minutes is right, a lower value would interrupt long work.
    """
    version = _text(offered.get("version"))
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < OLDEST:
        raise Refused(f"RabbitMQ {version or 'of unknown version'} found; streams need 3.10 or newer")
    able = offered.get("capabilities") or {}
    if missing := [name for name in NEEDED if not able.get(name)]:
        raise Refused(f"the broker at AMQP_URL does not offer {', '.join(missing)}; is it RabbitMQ, without a proxy?")
    return version


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value or "")


async def declare(connection: AbstractConnection, topology: Topology) -> None:
    """Declare a topology; raises Refused, which says what to do, if a queue exists with other arguments."""
    version = check_broker(connection)
    async with connection.channel() as channel:
        for exchange in topology.exchanges:
            await channel.declare_exchange(exchange.name, ExchangeType(exchange.kind), durable=True)
    for queue in topology.queues:
        await _declare(connection, queue, version)
    log.info("topology.declared", exchanges=len(topology.exchanges), queues=len(topology.queues))


async def _declare(connection: AbstractConnection, queue: Queue, version: str) -> None:
    """Declare a queue. One that was declared before an upgrade of the broker is accepted as it is, with a warning."""
    wanted = _without_default_limit(queue, version)
    refusals = []
    for each in (wanted, queue) if wanted is not queue else (queue,):
        try:
            async with connection.channel() as channel:
                await _declare_queue(channel, each)
        except ChannelClosed as problem:
            refusals.append(problem)
        else:
            if refusals:
                log.warning(
                    "queue.has_delivery_limit", queue=queue.name, what_to_do="set a policy with delivery-limit -1"
                )
            return
    raise Refused(
        f"queue {queue.name} exists with other arguments ({refusals[-1].args[-1]}); "
        "drain and delete it, then run the topology step again"
    ) from refusals[-1]


def _without_default_limit(queue: Queue, version: str) -> Queue:
    """Set the delivery limit -1 on a quorum queue without one: RabbitMQ 4 would drop messages after 20 crashes."""
    limited = "x-delivery-limit" in queue.arguments or queue.arguments.get("x-queue-type") != "quorum"
    if limited or int(version.partition(".")[0]) < LIMITS_ALL:
        return queue
    return replace(queue, arguments=queue.arguments | {"x-delivery-limit": -1})


async def _declare_queue(channel: AbstractChannel, queue: Queue) -> None:
    declared = await channel.declare_queue(queue.name, durable=True, arguments=queue.arguments)
    for exchange, key in queue.bindings:
        await declared.bind(exchange, key)


async def missing(connection: AbstractConnection, topology: Topology) -> list[str]:
    """Return the names of queues that do not exist. Missing bindings of existing queues are declared again."""
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


async def count_messages(connection: AbstractConnection, queues: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Return of each queue how many messages are ready and how many consumers it has; a missing queue is left out."""
    found = {}
    for queue in queues:
        try:
            async with connection.channel() as channel:
                result = (await channel.declare_queue(queue, passive=True)).declaration_result
        except ChannelClosed:
            continue
        found[queue] = (result.message_count or 0, result.consumer_count or 0)
    return found

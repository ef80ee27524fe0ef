"""Copies events from the log into the queue of a reaction, for a consumer that is new or whose queue was lost.

Each message keeps its id, so that the inbox ignores messages that were handled before.
"""

import datetime as dt
from typing import Any

import aio_pika
import structlog
from aio_pika.abc import DeliveryMode

from shared.errors import Refused
from shared.events.headers import copy_headers
from shared.messaging import topology
from shared.messaging.connection import connected
from shared.messaging.stream_reader import StreamMessage, last_offset, read_stream

log = structlog.get_logger()

CONFIRM_SECONDS = 30
SILENCE_SECONDS = 5


async def backfill(url: str, service: str, topic: str, since: dt.datetime | None = None) -> int:
    """Publish the log's messages of a topic to the queue of `service` for it; returns their number.

    It copies all messages of the log, or those since an instant (from the start of the chunk of that instant), up to
    the end of the log at the start of the call. Raises Refused if the queue does not exist.
    """
    queue, stream = topology.reaction_queue(service, topic).name, topology.stream_of(topic)
    async with connected(url, "backfill") as source, connected(url, "backfill-target") as connection:
        target = await connection.channel(publisher_confirms=True, on_return_raises=True)
        try:
            await target.declare_queue(queue, passive=True)
        except aio_pika.exceptions.ChannelClosed as problem:
            raise Refused(
                f"the queue {queue} does not exist; run the topology step with the service that consumes it"
            ) from problem
        end = await last_offset(source, stream)
        if end < 0:
            return 0
        given, at = 0, -1
        async with read_stream(source, stream, since or "first") as incoming:
            while at < end:
                messages = await incoming.batch(SILENCE_SECONDS)
                if not messages and since is not None and at < 0:
                    break  # the log has no message since then
                if not messages:
                    raise TimeoutError(f"{stream} sent no more messages after {at}, before its end at {end}")
                for message in messages:
                    if message.offset <= end and message.type == topic:
                        await target.default_exchange.publish(_copy(message), queue, timeout=CONFIRM_SECONDS)
                        given += 1
                at = messages[-1].offset
                await incoming.ack()
    log.info("log.backfilled", queue=queue, messages=given)
    return given


def _copy(message: StreamMessage) -> aio_pika.Message:
    """Copy a message as the relay published it, without the headers of the stream."""
    headers: dict[str, Any] = {**copy_headers(message.headers)}
    return aio_pika.Message(
        message.body,
        headers=headers,
        content_type="application/json",
        message_id=headers.get("ce-id"),
        delivery_mode=DeliveryMode.PERSISTENT,
    )

"""Gives a reaction's queue what only the log has: the consumer came later, or its queue was lost for a time.

What has been handled before comes to nothing: each message keeps its id, and the inbox knows it.
"""

import datetime as dt
from typing import Any

import aio_pika
import structlog
from aio_pika.abc import DeliveryMode

from shared.errors import Refused
from shared.events.headers import carried
from shared.messaging import topology
from shared.messaging.connection import connected
from shared.messaging.stream_reader import Read, last_offset, reading

log = structlog.get_logger()

CONFIRM_SECONDS = 30
SILENCE_SECONDS = 5


async def backfill(url: str, service: str, topic: str, since: dt.datetime | None = None) -> int:
    """Publish the log's messages of a topic into `service`'s queue for it; returns how many.

    All that the log holds, or what was logged since (an instant; the chunk that it lies in is read whole). Ends at
    what was the log's end when it began. Raises Refused when the queue is not there.
    """
    queue, stream = topology.reaction(service, topic).name, topology.log_of(topic)
    async with connected(url, "backfill") as source, connected(url, "backfill-target") as connection:
        target = await connection.channel(publisher_confirms=True, on_return_raises=True)
        try:
            await target.declare_queue(queue, passive=True)
        except aio_pika.exceptions.ChannelClosed as problem:
            raise Refused(
                f"there is no queue {queue}; run the topology step with the consumer that it is for"
            ) from problem
        end = await last_offset(source, stream)
        if end < 0:
            return 0
        given, at = 0, -1
        async with reading(source, stream, since or "first") as incoming:
            while at < end:
                messages = await incoming.batch(SILENCE_SECONDS)
                if not messages and since is not None and at < 0:
                    break  # nothing has been logged since
                if not messages:
                    raise TimeoutError(f"{stream} fell silent at {at}, before its end at {end}")
                for message in messages:
                    if message.offset <= end and message.type == topic:
                        await target.default_exchange.publish(_copy(message), queue, timeout=CONFIRM_SECONDS)
                        given += 1
                at = messages[-1].offset
                await incoming.ack()
    log.info("log.backfilled", queue=queue, messages=given)
    return given


def _copy(message: Read) -> aio_pika.Message:
    """As the relay would have sent it: without the stream's own headers."""
    headers: dict[str, Any] = {**carried(message.headers)}
    return aio_pika.Message(
        message.body,
        headers=headers,
        content_type="application/json",
        message_id=headers.get("ce-id"),
        delivery_mode=DeliveryMode.PERSISTENT,
    )

"""Gives a reaction's queue what only the log has: the consumer came later, or its queue was lost for a time.

What has been handled before comes to nothing: each message keeps its id, and the inbox knows it.
"""

import asyncio
import datetime as dt
from typing import Any

import aio_pika
import structlog
from aio_pika.abc import AbstractIncomingMessage, DeliveryMode

from shared import bus
from shared.errors import Refused
from shared.log import BATCH, last_offset, offset_of

log = structlog.get_logger()

CONFIRM_SECONDS = 30
SILENCE_SECONDS = 5


async def backfill(url: str, service: str, topic: str, since: dt.datetime | None = None) -> int:
    """Publish the log's messages of a topic into `service`'s queue for it; returns how many.

    All that the log holds, or what was logged since (an instant; the chunk that it lies in is read whole). Ends at
    what was the log's end when it began. Raises Refused when the queue is not there.
    """
    queue, stream = bus.reaction(service, topic).name, bus.log_of(topic)
    async with await aio_pika.connect(url) as connection:
        target = await connection.channel(publisher_confirms=True, on_return_raises=True)
        try:
            await target.declare_queue(queue, passive=True)
        except aio_pika.exceptions.ChannelClosed as problem:
            raise Refused(
                f"there is no queue {queue}; run the topology step with the consumer that it is for"
            ) from problem
        end = await last_offset(connection, stream)
        if end < 0:
            return 0
        source = await connection.channel(publisher_confirms=False)
        await source.set_qos(BATCH)
        inbox: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        start: Any = since or "first"
        reader = await source.get_queue(stream, ensure=False)
        await reader.consume(inbox.put, arguments={"x-stream-offset": start})
        given, at = 0, -1
        while at < end:
            try:
                message = await asyncio.wait_for(inbox.get(), SILENCE_SECONDS)
            except TimeoutError:
                if since is not None and at < 0:
                    break  # nothing has been logged since
                raise
            at = offset_of(message)
            if message.headers.get("ce-type") == topic:
                await target.default_exchange.publish(_copy(message), queue, timeout=CONFIRM_SECONDS)
                given += 1
            await message.ack()
    log.info("log.backfilled", queue=queue, messages=given)
    return given


def _copy(message: AbstractIncomingMessage) -> aio_pika.Message:
    """As the relay would have sent it: without the stream's own headers."""
    return aio_pika.Message(
        message.body,
        headers={name: value for name, value in message.headers.items() if not name.startswith("x-")},
        content_type=message.content_type,
        message_id=message.message_id,
        delivery_mode=DeliveryMode.PERSISTENT,
    )

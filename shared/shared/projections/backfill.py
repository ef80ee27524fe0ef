"""Gives a reaction's queue what only the log has: the consumer came later, or its queue was lost for a time.

What has been handled before comes to nothing: each message keeps its id, and the inbox knows it.
"""

import datetime as dt

import structlog

from shared.errors import Refused
from shared.events.headers import copy_headers
from shared.messaging import topology, topology_admin
from shared.messaging.connection import connected
from shared.messaging.publisher import Outbound, publishing
from shared.messaging.stream_reader import last_offset, read_stream

log = structlog.get_logger()

SILENCE_SECONDS = 5


async def backfill(url: str, service: str, topic: str, since: dt.datetime | None = None) -> int:
    """Publish the log's messages of a topic into `service`'s queue for it; returns how many.

    All that the log holds, or what was logged since (an instant; the chunk that it lies in is read whole). Ends at
    what was the log's end when it began. Raises Refused when the queue is not there, and Undeliverable.
    """
    queue, stream = topology.reaction_queue(service, topic), topology.stream_of(topic)
    async with connected(url, "backfill") as source, publishing(url, "backfill") as publisher:
        if await topology_admin.missing(source, topology.Topology(queues=(queue,))):
            raise Refused(f"there is no queue {queue.name}; run the topology step with the consumer that it is for")
        end = await last_offset(source, stream)
        if end < 0:
            return 0
        given, at = 0, -1
        async with read_stream(source, stream, since or "first") as incoming:
            while at < end:
                messages = await incoming.batch(SILENCE_SECONDS)
                if not messages and since is not None and at < 0:
                    break  # nothing has been logged since
                if not messages:
                    raise TimeoutError(f"{stream} fell silent at {at}, before its end at {end}")
                copies = [
                    Outbound("", queue.name, message.body, copy_headers(message.headers))
                    for message in messages
                    if message.offset <= end and message.type == topic
                ]
                for problem in await publisher.publish_all(copies):
                    if problem is not None:
                        raise problem
                given += len(copies)
                at = messages[-1].offset
                await incoming.ack()
    log.info("log.backfilled", queue=queue.name, messages=given)
    return given

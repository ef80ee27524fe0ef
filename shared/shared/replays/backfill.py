"""Copies events from the log into the queue of a reaction, for a consumer that is new or whose queue was lost.

Each message keeps its id, so that the inbox ignores messages that were handled before.
"""

import datetime as dt

import structlog

from shared.errors import Refused
from shared.events.headers import copy_headers
from shared.messaging import topology, topology_admin
from shared.messaging.confirming_channel import Outbound
from shared.messaging.connection import connected
from shared.messaging.publisher import publishing
from shared.messaging.stream_reader import last_offset, read_stream
from shared.replays.selection import check_age

log = structlog.get_logger()

SILENCE_SECONDS = 5


async def backfill(
    url: str, service: str, topic: str, since: dt.datetime | None = None, oldest: dt.datetime | None = None
) -> int:
    """Publish the log's messages of a topic to the queue of `service` for it; returns their number.

    It copies all messages of the log, or those since an instant (from the start of the chunk of that instant), up to
    the end of the log at the start of the call. Raises Refused if the queue does not exist or if a message is from
    before `oldest`, and Undeliverable.
    """
    queue, stream = topology.reaction_queue(service, topic), topology.stream_of(topic)
    async with connected(url, "backfill") as source, publishing(url, "backfill") as publisher:
        if await topology_admin.missing(source, topology.Topology(queues=(queue,))):
            raise Refused(
                f"the queue {queue.name} does not exist; run the topology step with the service that consumes it"
            )
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
                chosen = [message for message in messages if message.offset <= end and message.type == topic]
                if oldest is not None:
                    check_age(chosen, oldest)
                copies = [Outbound("", queue.name, each.body, copy_headers(each.headers)) for each in chosen]
                for problem in await publisher.publish_all(copies):
                    if problem is not None:
                        raise problem
                given += len(copies)
                at = messages[-1].offset
                await incoming.ack()
    log.info("log.backfilled", queue=queue.name, messages=given)
    return given

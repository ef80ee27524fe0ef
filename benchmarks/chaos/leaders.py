"""A stream gets another leader while messages wait for their confirm: what was confirmed is in the stream.

One node is enough: its leader is held until messages wait for it, and then killed.
"""

import asyncio
from urllib.parse import urlsplit
from uuid import uuid4

from benchmarks import log_reader
from benchmarks.harness import Lab, Report
from shared.messaging.confirming_channel import Outbound
from shared.messaging.publisher import Publisher, publishing
from shared.messaging.topology import EVENTS, LOGS, spine, stream_of
from shared.testing.fixtures import declare, fresh_vhost

OTHERS, TOPIC = "school.changed", "task.changed"
STREAM = stream_of(TOPIC)
BATCH, WAITING = 60, 3

# Kill the leader of a stream as soon as so many messages wait for it.
KILL_LEADER = """
{{ok, Stream}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"{vhost}">>, queue, <<"{stream}">>)),
Leader = amqqueue:get_pid(Stream),
ok = sys:suspend(Leader),
Wait = fun Wait() ->
    case process_info(Leader, message_queue_len) of
        {{message_queue_len, Waiting}} when Waiting >= {waiting} -> ok;
        _ -> timer:sleep(20), Wait()
    end
end,
Wait(),
exit(Leader, kill).
"""


async def run(lab: Lab, report: Report) -> None:
    """Promise 3 when leaders change."""
    turns, confirmed = lab.size(20, 2), set[str]()
    with fresh_vhost(lab.amqp_url, lab.management_url) as url:
        await declare(url, spine())
        async with publishing(url, "leaders", LOGS) as publisher:
            for _ in range(turns):
                await _publish(publisher, OTHERS, BATCH)  # the channel's count would run ahead of the stream's
                await _kill_leader(lab, url, publisher, confirmed)
                confirmed |= await _publish(publisher, TOPIC, BATCH)
        found = await log_reader.values(url, STREAM, "ce-id")
    report.figure("leaders killed with messages that wait", turns, "")
    report.figure("events confirmed", len(confirmed), "")
    report.figure("in the log twice, at two offsets", len(found) - len(set(found)), "events")
    report.exactly("promise 03: confirmed, not in the log", len(confirmed - set(found)), "events", 0)


async def _kill_leader(lab: Lab, url: str, publisher: Publisher, confirmed: set[str]) -> None:
    """Publish until the leader was killed with messages that wait."""
    words = KILL_LEADER.format(vhost=urlsplit(url).path[1:], stream=STREAM, waiting=WAITING)
    killing = asyncio.create_task(lab.control("eval", words))
    while not killing.done():
        confirmed |= await _publish(publisher, TOPIC, WAITING)
    await killing


async def _publish(publisher: Publisher, topic: str, count: int) -> set[str]:
    """Publish events until each is confirmed, as the relay does; returns their ids."""
    waiting = {str(uuid4()) for _ in range(count)}
    published = set[str]()
    while waiting:
        await publisher.ready.wait()
        sent = [(each, Outbound(EVENTS, topic, b"{}", {"ce-id": each})) for each in waiting]
        outcomes = await publisher.publish_all([message for _, message in sent])
        published |= {each for (each, _), problem in zip(sent, outcomes, strict=True) if problem is None}
        waiting -= published
    return published

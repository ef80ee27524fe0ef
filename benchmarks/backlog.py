"""A backlog of requests that no notifier handles: what requests notice of it, and what memory it costs the gateway."""

import asyncio
import datetime as dt

import psutil
from uuid_utils.compat import uuid7

from benchmarks import http_load
from benchmarks.harness import Lab, Report
from cli.testing.system import System
from shared.events import Audience, Envelope, NotificationRequested
from shared.messaging.confirming_channel import Outbound
from shared.messaging.publisher import publishing
from shared.messaging.topology import EVENTS
from shared.testing.fixtures import eventually

BATCH = 1_000
WITHIN = 600.0
LEFT = "SELECT count(*) AS n FROM gateway.outbox"


async def measure(lab: Lab, report: Report, system: System, port: int, made: http_load.Request) -> None:
    """Judge p99 and memory with a million events in the notifier's queue, beside the same without (promise 11)."""
    gateway = psutil.Process(system.fleet.pid("gateway"))
    quiet = await _p99(lab, system, port, made)
    memory = gateway.memory_info().rss
    count = lab.size(1_000_000, 2_000)
    await _publish(system.backing.amqp_url, count)
    behind = await _p99(lab, system, port, made)
    report.figure("events that wait for the notifier", count, "")
    report.figure("POST, p99, without a backlog", quiet * 1000, "ms")
    report.figure("POST, p99, with it", behind * 1000, "ms")
    report.at_most("promise 11: p99 of a 202 with a backlog / without", behind / quiet, "×", 2)
    report.at_most("promise 11: memory of the gateway with it / without", gateway.memory_info().rss / memory, "×", 1.2)


async def _p99(lab: Lab, system: System, port: int, made: http_load.Request) -> float:
    _, took = await http_load.load(port, made, lab.size(3_000, 60))
    # What is left to publish must not count for the next.
    await eventually(lambda: asyncio.to_thread(system.rows, LEFT), lambda rows: rows[0]["n"] == 0, within=WITHIN)
    return sorted(took)[len(took) * 99 // 100]


async def _publish(url: str, count: int) -> None:
    """Publish so many requests with confirms; each has an id of its own, as the broker sees it."""
    event = NotificationRequested(
        notification_id=uuid7(),
        task_id=uuid7(),
        school_id=uuid7(),
        kind="general",
        audience=Audience(school=True),
        channels=("inbox",),
        directory_version=0,
        requested_at=dt.datetime.now(dt.UTC),
        title="Snow day",
        body="All demo schools stay closed today.",
    )
    body, headers = event.model_dump_json().encode(), Envelope.of(event, "gateway").headers()
    async with publishing(url, "backlog load") as publisher:
        for _ in range(count // BATCH):
            messages = [
                Outbound(EVENTS, event.routing_key, body, headers | {"ce-id": str(uuid7())}) for _ in range(BATCH)
            ]
            for problem in await publisher.publish_all(messages):
                if problem is not None:
                    raise problem

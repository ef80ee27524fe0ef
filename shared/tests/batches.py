"""A `MessageBatcher` alone on the real database, messages for it, and the rows that it wrote."""

import asyncio
import datetime as dt
import uuid
from contextlib import asynccontextmanager

from shared.consumers.batcher import MessageBatcher
from shared.events import Envelope, NotificationRequested


@asynccontextmanager
async def running_batcher(spine, consumer, handler, turn_seconds=60):
    service = spine.build()
    await service.database.open()
    try:
        places, gate = asyncio.Semaphore(8), service.components.pause_switch
        given = MessageBatcher(
            consumer, handler, service.transactions, places, gate, most=25, turn_seconds=turn_seconds
        )
        yield given, service
    finally:
        await service.database.close()


def messages(spine, count):
    facts = [spine.school() for _ in range(count)]
    return [(Envelope.of(fact, "test"), fact) for fact in facts]


async def handle_all(batcher, given):
    return await asyncio.gather(*(batcher.handle(*each) for each in given), return_exceptions=True)


async def inbox_rows(service, consumer):
    """Count the inbox rows of a consumer, and the transactions that wrote them."""
    query = "SELECT count(*), count(DISTINCT xmin::text) AS commits FROM inbox WHERE consumer = %s"
    async with service.database.worker() as connection:
        row = await (await connection.execute(query, (consumer,))).fetchone()
    return row["count"], row["commits"]


def send(audience):
    ids = {name: uuid.uuid4() for name in ("notification_id", "task_id", "school_id")}
    fact = NotificationRequested(
        **ids,
        kind="general",
        audience=audience,
        channels=("push",),
        directory_version=0,
        requested_at=dt.datetime.now(dt.UTC),
    )
    return Envelope.of(fact, "test"), fact

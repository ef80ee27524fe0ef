"""Backfill: a reaction whose queue was missing gets the missed events from the log, once."""

import datetime as dt

import aio_pika
import pytest

from shared.errors import Refused
from shared.events import SchoolChanged
from shared.replays.backfill import backfill
from shared.testing.fixtures import Recorder, declare, running

QUEUE = "notifier.school.changed"
TOPIC = SchoolChanged.topic


async def test_promise_03_backfill_copies_events_that_a_missing_queue_did_not_get(spine):
    # given: some events were handled, others were published while the queue was missing
    schools, url = Recorder(), spine.backing.amqp_url
    handled, missed = [spine.school() for _ in range(10)], [spine.school() for _ in range(30)]
    async with spine.running(lambda s: s.on(SchoolChanged, schools.one)) as service:
        await spine.emit(service, *handled)
        await schools.until(lambda seen: len(seen) == 10)
    async with await aio_pika.connect(url) as connection:
        await (await connection.channel()).queue_delete(QUEUE)
    writer = spine.build()
    await declare(url, writer.topology())
    async with running(writer):
        await spine.emit(writer, *missed)
        await spine.outbox_drained(writer)
    with pytest.raises(Refused, match=QUEUE):
        await backfill(url, "notifier", TOPIC)
    # when
    async with spine.running(lambda s: s.on(SchoolChanged, schools.one)) as service:
        assert await backfill(url, "notifier", TOPIC, dt.datetime.now(dt.UTC) + dt.timedelta(days=1)) == 0
        assert await backfill(url, "notifier", TOPIC) >= 40
        # then
        wanted = sorted(fact.school_id for fact in (*handled, *missed))
        await schools.until(lambda seen: sorted(each.school_id for each in seen) == wanted)
        last = spine.school()
        await spine.emit(service, last)
        await schools.until(lambda seen: last.school_id in {each.school_id for each in seen})
    assert len(schools.seen) == 41

"""A reaction that stores blobs while their store is away."""

import asyncio

from object_stores import BUCKET, free_port, google_server

from shared.events import SchoolChanged
from shared.storage.locations import open_store
from shared.testing.fixtures import Recorder, eventually


async def content():
    yield b"blob"


async def test_rule_16_a_store_that_is_away_pauses_a_reaction_and_burns_no_attempt(spine):
    # given
    port = free_port()
    store, letters, fact = open_store(f"gs://{BUCKET}?endpoint=http://127.0.0.1:{port}"), Recorder(), spine.school()

    async def keep(event, _):
        await store.put(f"schools/{event.school_id}", content())

    def register(service):
        service.on(SchoolChanged, keep)
        service.store_dead_letters(letters.keep)
        service.pause_until(store.check)

    async with spine.running(register) as service:
        # when
        await spine.emit(service, fact)
        paused = service.components.pause_switch
        await eventually(lambda: asyncio.sleep(0, paused.closed), bool, within=30)
        with google_server(port):
            await eventually(lambda: asyncio.sleep(0, paused.closed), lambda closed: not closed, within=30)
            # then
            queue = "notifier.school.changed"
            done = service.metrics.handled.labels(queue, "done")
            await eventually(lambda: asyncio.sleep(0, done._value.get()), lambda n: n == 1)
            assert (await store.open(f"schools/{fact.school_id}")).info.size == 4
        assert service.metrics.handled.labels(queue, "retried")._value.get() == 0
        assert letters.seen == []

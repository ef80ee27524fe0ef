"""Projections of a damaged log: events that cannot be applied, recreated streams, missing history."""

import asyncio
import uuid

import aio_pika
import psycopg
import pytest

from shared.errors import HistoryMissing, Refused
from shared.events import Envelope
from shared.events.directory import SchoolChanged
from shared.messaging import stream_reader, topology
from shared.messaging.stream_reader import StreamMessage
from shared.projections.projector import DECODED_AT_ONCE
from shared.replays.rebuild import rebuild, rewind
from shared.telemetry import Metrics
from shared.testing.fixtures import Backing, declare, eventually, fresh_vhost, running

STREAM = "school.log.directory"
TABLE = """
CREATE TABLE IF NOT EXISTS notifier.mirror (school_id uuid PRIMARY KEY, name text, version bigint);
ALTER TABLE notifier.mirror OWNER TO notifier_owner;
GRANT ALL ON notifier.mirror TO notifier_worker;
"""
MIRROR = """
INSERT INTO mirror VALUES (%(school_id)s, %(name)s, %(version)s)
ON CONFLICT (school_id) DO UPDATE SET name = excluded.name, version = excluded.version
WHERE mirror.version < excluded.version
"""
ROWS = "SELECT school_id, name, version FROM mirror ORDER BY school_id"
POISON = "poison"


async def mirror(events, tx):
    for event in events:
        if event.name == POISON:
            raise ValueError(POISON)
        await tx.execute(MIRROR, {"school_id": event.school_id, "name": event.name, "version": event.version})


@pytest.fixture
def mirrored(spine, backing):
    """Build a service that projects schools, on a virtual host of its own whose log the test may damage."""
    with psycopg.connect(backing.admin_url, autocommit=True) as connection:
        connection.execute(TABLE)
        connection.execute("TRUNCATE notifier.mirror, notifier.log_offset, notifier.directory_seen, notifier.outbox")
    with fresh_vhost() as amqp:
        spine.backing = Backing(backing.admin_url, amqp, backing.keys)

        def build(**changes):
            service = spine.build(**changes)
            service.project("mirror", (SchoolChanged,), mirror)
            service.rebuilds("mirror", ["mirror"])
            return service

        yield build


async def rows(service):
    async with service.database.worker() as connection:
        return await (await connection.execute(ROWS)).fetchall()


async def names(service):
    return {row["name"] for row in await rows(service)}


async def gap(service):
    async with service.database.worker() as connection:
        return (await (await connection.execute("SELECT gap FROM log_offset")).fetchone())["gap"]


def named(spine, name, version=1, school_id=None):
    return spine.school(version, school_id).model_copy(update={"name": name})


@pytest.mark.parametrize("kind", ["poison", "unknown major"])
async def test_promise_07_and_13_event_that_a_projection_cannot_apply_is_retried_and_blocks_no_other(
    spine, mirrored, kind
):
    # given
    letters = []

    async def keep(letter, tx):
        letters.append(letter)

    service = mirrored()
    service.store_dead_letters(keep)
    await declare(spine.backing.amqp_url, service.topology())
    async with running(service):
        bad = named(spine, POISON if kind == "poison" else "new")
        headers = Envelope.of(bad, "test").headers()
        if kind == "unknown major":
            headers["ce-dataschema"] = "urn:schoolconnect:school.changed:99"
        # when
        body = bad.model_dump_json().encode()
        await service.components.publisher.publish("school.events", bad.topic, body, headers)
        await spine.emit(service, named(spine, "first"), named(spine, "second"))
        # then: the others do not wait for it
        await eventually(lambda: names(service), lambda found: found == {"first", "second"})
        assert letters == []

        async def dead():
            return letters

        (letter,) = await eventually(dead, lambda found: len(found) == 1)
        assert (letter.queue, letter.attempts) == ("notifier.log.mirror", 3)
        assert letter.message_id == headers["ce-id"]
        assert letter.error.startswith("ValueError" if kind == "poison" else "UnknownMajor")


async def position(service):
    async with service.database.worker() as connection:
        return (await (await connection.execute("SELECT position FROM log_offset")).fetchone())["position"]


async def test_unwanted_events_share_one_commit_of_the_offset(spine, mirrored):
    # given
    service = mirrored()
    await declare(spine.backing.amqp_url, service.topology())
    commits, advance = [], service.transactions.project_batch

    def counted(*where):
        commits.append(where)
        return advance(*where)

    service.transactions.project_batch = counted
    async with running(service):

        async def pass_by(count):
            for _ in range(count):
                headers = {"ce-id": str(uuid.uuid4()), "ce-type": "person.changed"}
                await service.components.publisher.publish("school.events", "person.changed", b"{}", headers)

        await spine.emit(service, named(spine, "before"))
        await eventually(lambda: names(service), lambda found: found == {"before"})
        before = len(commits)
        # when
        await pass_by(40)
        # then
        await eventually(lambda: position(service), lambda at: at == 40)
        assert len(commits) - before < 20
        # and a wanted event is applied immediately, also after unwanted ones
        await pass_by(1)
        await spine.emit(service, named(spine, "after"))
        await eventually(lambda: names(service), lambda found: found == {"before", "after"})
        assert (await position(service), await gap(service)) == (42, None)


async def test_other_work_has_its_turn_while_many_events_are_decoded(spine, mirrored, monkeypatch):
    service = mirrored()
    await declare(spine.backing.amqp_url, service.topology())
    decoded, between = 0, []
    read = Envelope.read

    def counted(headers):
        nonlocal decoded
        decoded += 1
        return read(headers)

    async def other_work():
        seen = 0
        while True:
            between.append(decoded - seen)
            seen = decoded
            await asyncio.sleep(0)

    async with running(service):
        await spine.emit(service, named(spine, "before"))
        await eventually(lambda: names(service), lambda found: found == {"before"})
        projector = service.projections["mirror"].projector(
            service.transactions, service.vault, Metrics(), park=lambda _: pytest.fail("an event was parked")
        )
        events = [named(spine, f"school {number}") for number in range(3 * DECODED_AT_ONCE)]
        messages = [
            StreamMessage(number, Envelope.of(event, "test").headers(), event.model_dump_json().encode())
            for number, event in enumerate(events, 1)
        ]
        monkeypatch.setattr(Envelope, "read", counted)
        working = asyncio.create_task(other_work())
        await projector.apply(STREAM, 0, messages)
        working.cancel()
        assert len(await names(service)) == len(events) + 1
    assert (decoded, max(between)) == (len(events), DECODED_AT_ONCE)


async def has_been_read(spine, service):
    await declare(spine.backing.amqp_url, service.topology())
    async with running(service):
        await spine.emit(service, named(spine, "before"))
        await eventually(lambda: names(service), lambda found: found == {"before"})


async def test_reader_starts_while_others_publish_continuously(spine, mirrored):
    # given
    await has_been_read(spine, mirrored())
    again = mirrored()
    async with running(again):
        publisher = again.components.publisher
        await publisher.ready.wait()

        async def publish():
            while True:
                headers = {"ce-id": str(uuid.uuid4()), "ce-type": "person.changed"}
                await publisher.publish("school.events", "person.changed", b"{}", headers)

        others = asyncio.create_task(publish())
        # when
        await spine.emit(again, named(spine, "meanwhile"))
        # then
        try:
            await eventually(lambda: names(again), lambda found: "meanwhile" in found and not others.done(), within=10)
        finally:
            others.cancel()


async def test_slow_broker_is_not_mistaken_for_a_recreated_stream(spine, mirrored, monkeypatch):
    # given
    await has_been_read(spine, mirrored())
    monkeypatch.setattr(stream_reader, "PROBE", 0.0)
    again = mirrored()
    async with running(again):
        # when: messages arrive later than expected
        await spine.emit(again, named(spine, "after"))
        await eventually(lambda: names(again), lambda found: found == {"before", "after"})
        # then
        assert await gap(again) is None


async def test_recreated_stream_is_read_from_its_start_and_the_gap_is_noted(spine, mirrored):
    # given
    service = mirrored()
    await declare(spine.backing.amqp_url, service.topology())
    async with running(service):
        await spine.emit(service, named(spine, "before"))
        await eventually(lambda: names(service), lambda found: found == {"before"})
        assert await gap(service) is None
    # when: the new stream is longer than the offset that was read
    async with await aio_pika.connect(spine.backing.amqp_url) as connection:
        await (await connection.channel()).queue_delete(STREAM)
    again = mirrored()
    await declare(spine.backing.amqp_url, again.topology())
    async with running(again):
        facts = [named(spine, f"after {n}") for n in range(20)]
        await spine.emit(again, *facts)
        # then
        wanted = {"before"} | {fact.name for fact in facts}
        await eventually(lambda: names(again), lambda found: found == wanted)
        await eventually(lambda: gap(again), lambda found: found and "deleted and recreated" in found)


async def test_promise_12_rebuild_repairs_wrong_rows_and_keeps_the_others(spine, mirrored):
    # given
    service = mirrored()
    await declare(spine.backing.amqp_url, service.topology())
    async with running(service):
        facts = [named(spine, f"school {n}") for n in range(50)]
        await spine.emit(service, *facts)
        await eventually(lambda: rows(service), lambda found: len(found) == len(facts))
        right = await rows(service)
        # when: all rows are correct
        found = await rebuild(service, "mirror")
        assert found.changed == {"mirror": 0, "directory_seen": 0}
        # when: one row is wrong, one is missing, one is surplus
        async with service.database.worker() as connection:
            await connection.execute("UPDATE mirror SET name = 'wrong' WHERE school_id = %s", (facts[0].school_id,))
            await connection.execute("DELETE FROM mirror WHERE school_id = %s", (facts[1].school_id,))
            await connection.execute("INSERT INTO mirror VALUES (gen_random_uuid(), 'nobody', 1)")
        found = await rebuild(service, "mirror")
        # then
        assert found.changed == {"mirror": 3, "directory_seen": 0}
        assert await rows(service) == right
        # and the live reader continues
        await spine.emit(service, named(spine, "later"))
        await eventually(lambda: names(service), lambda seen: "later" in seen)
        with psycopg.connect(spine.backing.admin_url) as admin:
            (left,) = admin.execute("SELECT count(*) FROM notifier_shadow.mirror").fetchone()
            assert left == 0


async def test_promise_12_reading_the_log_again_in_place_changes_nothing(spine, mirrored):
    service = mirrored()
    await declare(spine.backing.amqp_url, service.topology())
    async with running(service):
        identity = uuid.uuid4()
        await spine.emit(service, *(named(spine, f"v{version}", version, identity) for version in (2, 3, 1)))
        await eventually(lambda: names(service), lambda found: found == {"v3"})
        before = await rows(service)
        projected = service.metrics.projected.labels("mirror")
        count = projected._value.get()
        await rewind(service, "mirror")
        await spine.emit(service, named(spine, "last"))

        async def read_again():
            return projected._value.get() - count

        await eventually(read_again, lambda n: n >= 4)
        assert [row for row in await rows(service) if row["name"] != "last"] == before


async def test_promise_12_log_that_starts_too_late_is_refused_until_a_resync(spine, mirrored):
    # given: a log so small that its first events are removed
    service = mirrored()
    small = topology.spine(log_bytes=60_000)
    await declare(spine.backing.amqp_url, service.topology() | small)
    school = uuid.uuid4()
    async with running(service):
        for version in range(1, 401, 40):
            await spine.emit(service, *(named(spine, f"v{n}", n, school) for n in range(version, version + 40)))
            await spine.outbox_drained(service)
        await eventually(lambda: names(service), lambda found: found == {"v400"})
        # when
        with pytest.raises(HistoryMissing, match=str(school)):
            await rebuild(service, "mirror")
        with pytest.raises(HistoryMissing):
            await rewind(service, "mirror")
        assert await names(service) == {"v400"}
        # when
        anew = [
            named(spine, "v400", 400, school).model_copy(
                update={"positions": {school: position}, "resync": {school: (401, 402)}}
            )
            for position in (402, 401)
        ]
        await spine.emit(service, *anew)
        query = "SELECT count(*) FROM directory_seen WHERE versions = '{[1,403)}'"
        await eventually(lambda: spine.count(service, query), lambda n: n == 1)
        # then
        found = await rebuild(service, "mirror")
        assert found.changed == {"mirror": 0, "directory_seen": 0}


async def test_only_projections_with_tables_are_rebuilt(spine, mirrored):
    service = mirrored()
    for name in ("nobody", "mirror"):
        if name == "mirror":
            service.rebuilds("mirror", [])
        with pytest.raises(Refused, match="notifier can rebuild"):
            await rebuild(service, name)

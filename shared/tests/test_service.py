"""One service on the real broker and database: it consumes an event, writes rows and publishes an event."""

import uuid

import aio_pika
import psycopg
import pytest

from shared.errors import NoSchool, Reject, Retry
from shared.events import Envelope, PersonChanged, SchoolChanged
from shared.events.directory import Contact
from shared.jobs.task_status import find_task, track
from shared.persistence.encryption import SEALED
from shared.testing.fixtures import declare, eventually, running


async def test_an_event_is_handled_once_and_leaves_the_outbox(spine):
    seen = []

    async def remember(event, tx):
        seen.append(event.school_id)

    async with spine.running(lambda s: s.on(SchoolChanged, remember)) as service:
        facts = [spine.school() for _ in range(50)]
        await spine.emit(service, *facts)
        mine = {fact.school_id for fact in facts}

        async def handled():
            return [school_id for school_id in seen if school_id in mine]

        found = await eventually(handled, lambda ids: len(ids) >= len(mine))
        assert sorted(found) == sorted(mine)
        await spine.outbox_drained(service)


async def test_the_same_message_twice_is_handled_once(spine):
    seen = []

    async def remember(event, tx):
        seen.append(event.school_id)

    async with spine.running(lambda s: s.on(SchoolChanged, remember)) as service:
        first, last = spine.school(), spine.school()
        headers = Envelope.of(first, "test").headers()
        for _ in range(3):
            body = first.model_dump_json().encode()
            await service.components.publisher.publish("school.events", first.topic, body, headers)
        await spine.emit(service, last)

        async def handled():
            return seen

        await eventually(handled, lambda ids: last.school_id in ids)
        duplicates = service.metrics.handled.labels("notifier.school.changed", "duplicate")
        await eventually(lambda: _value(duplicates), lambda n: n == 2)
        assert seen.count(first.school_id) == 1


async def test_a_projection_gets_the_newest_state_and_the_positions(spine):
    seen = []

    async def project_schools(events, tx):
        seen.extend(events)

    async with spine.running(lambda s: s.project("project_schools", (SchoolChanged,), project_schools)) as service:
        identity = uuid.uuid4()
        await spine.emit(service, *(spine.school(version, identity) for version in (3, 1, 2)))
        query = "SELECT count(*) FROM directory_seen WHERE school_id = %s AND versions = '{[1,4)}'"
        # The log still has the events of other tests, and each one that does not fit costs a formatted traceback.
        await eventually(lambda: spine.count(service, query, identity), lambda n: n == 1, within=60)
        assert 3 in [event.version for event in seen if event.school_id == identity]


TOO_MUCH = psycopg.errors.ProgramLimitExceeded("secret: a row too long for its index")


@pytest.mark.parametrize(
    ("problem", "tries"), [(ValueError("secret"), 3), (Reject("no"), 1), (Retry("soon"), 3), (TOO_MUCH, 3)]
)
async def test_promise_07_failures_take_the_tiers_and_end_as_dead_letters(spine, problem, tries):
    seen, letters = [], []
    fact = spine.school()

    async def fail(event, tx):
        if event.school_id == fact.school_id:
            seen.append(event.school_id)
            raise problem

    async def keep(letter, tx):
        letters.append(letter)

    async with spine.running(lambda s: s.on(SchoolChanged, fail), lambda s: s.store_dead_letters(keep)) as service:
        good = [spine.school() for _ in range(20)]
        await spine.emit(service, fact, *good)

        async def dead():
            return [
                letter
                for letter in letters
                if fact.school_id.hex in letter.body.decode(errors="replace").replace("-", "")
            ]

        found = await eventually(dead, lambda ls: len(ls) == 1)
        assert len(seen) == tries
        assert found[0].attempts == tries
        assert found[0].queue == "notifier.school.changed"
        assert "secret" not in found[0].error


async def test_promise_13_an_unknown_major_is_retried_then_dead(spine):
    letters = []

    async def ignore(event, tx):
        pass

    async def keep(letter, tx):
        letters.append(letter)

    async with spine.running(lambda s: s.on(SchoolChanged, ignore), lambda s: s.store_dead_letters(keep)) as service:
        fact = spine.school()
        headers = Envelope.of(fact, "test").headers()
        headers["ce-dataschema"] = "urn:schoolconnect:school.changed:99"
        body = fact.model_dump_json().encode()
        await service.components.publisher.publish("school.events", fact.topic, body, headers)

        async def dead():
            return [letter for letter in letters if letter.message_id == headers["ce-id"]]

        found = await eventually(dead, lambda ls: len(ls) == 1)
        assert found[0].attempts == 3
        assert found[0].error.startswith("UnknownMajor")


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b"\xff\xfe", b'{"sealed": 3}'])
async def test_malformed_bodies_become_dead_letters_and_block_no_other(spine, body):
    letters, seen = [], []

    async def remember(event, tx):
        seen.append(event.school_id)

    async def keep(letter, tx):
        letters.append(letter)

    async with spine.running(lambda s: s.on(SchoolChanged, remember), lambda s: s.store_dead_letters(keep)) as service:
        fact = spine.school()
        headers = Envelope.of(fact, "test").headers()
        await service.components.publisher.publish("school.events", fact.topic, body, headers)

        async def dead():
            return [letter for letter in letters if letter.message_id == headers["ce-id"]]

        found = await eventually(dead, lambda ls: len(ls) == 1)
        assert found[0].body == body
        await spine.emit(service, fact)

        async def handled():
            return seen

        await eventually(handled, lambda ids: fact.school_id in ids)


async def test_outbox_rows_for_a_missing_queue_stay_until_it_is_declared(spine):
    service = spine.build()
    seen = []

    async def remember(event, tx):
        seen.append(event.school_id)

    service.on(SchoolChanged, remember)
    facts = [spine.school() for _ in range(40)]
    bare = spine.build()
    await declare(spine.backing.amqp_url, bare.topology())
    async with await aio_pika.connect(spine.backing.amqp_url) as connection:
        channel = await connection.channel()
        await channel.queue_delete("notifier.school.changed")
    async with service.runtime.running():
        await spine.emit(service, *facts)
        reasons = await eventually(service.runtime.not_ready, lambda r: any("topology" in reason for reason in r))
        assert "notifier.school.changed" in " ".join(reasons)


async def test_a_request_without_a_school_raises(spine):
    service = spine.build()
    await service.database.open()
    async with service.transactions.begin() as tx:
        await tx.execute("SELECT 1")
    try:
        with pytest.raises(NoSchool):
            async with service.transactions.request(None) as tx:
                await tx.rows("SELECT * FROM notification")
        async with service.transactions.request(uuid.uuid4()) as tx:
            assert await tx.rows("SELECT * FROM notification") == []
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with service.transactions.request(uuid.uuid4()) as tx:
                await tx.rows("SELECT * FROM vault.key")
    finally:
        await service.database.close()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT data FROM outbox",
        "DELETE FROM outbox",
        "UPDATE outbox SET data = ''",
        "SELECT * FROM inbox",
        "SELECT * FROM log_offset",
        "SELECT * FROM task_lease",
    ],
)
async def test_request_adds_outbox_rows_but_cannot_read_them(spine, statement):
    service = spine.build()
    await service.database.open()
    try:
        async with service.transactions.request(uuid.uuid4()) as tx:
            tx.emit(spine.school())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with service.transactions.request(uuid.uuid4()) as tx:
                await tx.execute(statement)
    finally:
        await service.database.close()


async def test_seed_20_a_request_sees_the_tasks_of_its_school_only(spine):
    service = spine.build()
    await service.database.open()
    try:
        school, task = uuid.uuid4(), uuid.uuid4()
        async with service.transactions.request(school) as tx:
            assert await track(tx, task, school_id=school, kind="file.process", state="queued")
            assert await find_task(tx, task)
        async with service.transactions.request(uuid.uuid4()) as tx:
            assert await find_task(tx, task) is None
    finally:
        await service.database.close()


async def test_personal_fields_are_published_encrypted_and_unreadable_after_erasure(spine):
    letters, seen = [], []
    person = uuid.uuid4()

    async def remember(event, tx):
        seen.append(event)

    def fact(version):
        contact = Contact(kind="mail", address="canary@example.org")
        return PersonChanged(person_id=person, version=version, given_name="Canary", contacts=(contact,))

    writer = spine.build("gateway", creates_keys=True)
    await declare(spine.backing.amqp_url, writer.topology())
    async with running(writer), spine.running(lambda s: s.on(PersonChanged, remember)) as reader:
        await spine.emit(writer, fact(1))

        async def received():
            return seen

        first = (await eventually(received, lambda events: len(events) == 1))[0]
        assert (first.given_name, first.contacts[0].address) == ("Canary", "canary@example.org")
        # when
        await writer.vault.erase(person)
        reader.vault.clear_cache()
        await spine.emit(writer, fact(2))
        second = (await eventually(received, lambda events: len(events) == 2))[1]
        # then
        assert (second.given_name, second.contacts) == (None, ())
    assert letters == []


async def test_published_message_has_no_plaintext(spine):
    person = uuid.uuid4()
    writer = spine.build("gateway", creates_keys=True)
    await declare(spine.backing.amqp_url, writer.topology())
    async with running(writer), await aio_pika.connect(spine.backing.amqp_url) as connection:
        channel = await connection.channel()
        tap = await channel.declare_queue(exclusive=True)
        await tap.bind("school.events", "person.changed")
        await spine.emit(writer, PersonChanged(person_id=person, version=1, given_name="Canary"))

        async def tapped():
            return await tap.get(fail=False, no_ack=True)

        message = await eventually(tapped, lambda m: m is not None)
    assert b"Canary" not in message.body
    assert SEALED.encode() in message.body


async def _value(counter):
    return counter._value.get()

"""An invented name goes through the whole system: it is in no place in plain text, and unreadable after the erasure."""

import uuid

import aio_pika
import psycopg
import pytest
import structlog.testing

from shared.error_report import trace
from shared.errors import Reject
from shared.events import Envelope, PersonChanged
from shared.events.directory import Contact
from shared.messaging.serialization import decrypt_bodies, event_type
from shared.testing.fixtures import Recorder, declare, eventually, running

CANARY = "Kanarienvogel"
STREAM = "school.log.directory"
TEXTS = """
SELECT table_schema, table_name, column_name FROM information_schema.columns
WHERE table_schema IN ('notifier', 'gateway', 'vault') AND data_type IN ('text', 'jsonb', 'bytea', 'ARRAY')
"""


async def tap(channel, person, offset):
    """Read each message about a person in a stream, as it is stored."""
    found = []
    queue = await channel.get_queue(STREAM)

    async def take(message):
        await message.ack()
        if message.headers.get("ce-subject") == str(person):
            found.append(message)

    await channel.set_qos(100)
    await queue.consume(take, arguments={"x-stream-offset": offset})
    return found


def plaintexts(admin):
    """Find the columns of the system's tables that contain the name."""
    places = []
    for schema, table, column in admin.execute(TEXTS).fetchall():
        query = f'SELECT count(*) FROM "{schema}"."{table}" t WHERE position(%s IN (t."{column}")::text) > 0'
        if admin.execute(query, (CANARY,)).fetchone()[0]:
            places.append((schema, table, column))
    return places


@pytest.fixture
def logged():
    with structlog.testing.capture_logs() as facts:
        yield facts


def line(facts):
    """Format one log line, with the exception as `configure_logs` shows it."""
    return str({key: trace(value) if isinstance(value, BaseException) else value for key, value in facts.items()})


async def test_promise_14_personal_text_is_in_no_queue_log_or_dead_letter_and_unreadable_after_erasure(spine, logged):
    # given: a person, published to a projection, to a reaction that fails, and to the log
    person = uuid.uuid4()
    takes, letters = Recorder(), Recorder()
    fails = Recorder(lambda event: Reject(f"{type(event).__name__} refused") if event.version == 2 else None)
    writer = spine.build("gateway", creates_keys=True)
    writer.store_dead_letters(letters.keep)
    reader = spine.build()
    reader.on(PersonChanged, fails.one)
    reader.project("many", (PersonChanged,), takes.many)
    await declare(spine.backing.amqp_url, writer.topology(), reader.topology())

    def fact(version):
        contact = Contact(kind="mail", address=f"{CANARY}@example.org")
        return PersonChanged(
            person_id=person, version=version, given_name=CANARY, family_name=CANARY, contacts=(contact,)
        )

    async with running(writer), running(reader), await aio_pika.connect(spine.backing.amqp_url) as connection:
        channel = await connection.channel()
        copies = await channel.declare_queue(exclusive=True)
        await copies.bind("school.events", "#")
        # when
        await spine.emit(writer, fact(1), fact(2))
        await takes.until(lambda seen: seen and seen[-1].version == 2)
        (letter,) = await letters.until(len)
        assert takes.seen[-1].given_name == CANARY, "who may read it reads it"
        kept = await tap(await connection.channel(), person, "first")

        async def both():
            return kept

        await eventually(both, lambda found: len(found) == 2)
        queued = [await copies.get() for _ in range(2)]
        # then
        travelled = [*(m.body for m in kept), *(m.body for m in queued), letter.body]
        travelled += [str(m.headers).encode() for m in (*kept, *queued)] + [str(letter.headers).encode()]
        assert len(travelled) == 10
        assert not any(CANARY.encode() in text for text in travelled)
        await spine.outbox_drained(writer)
        with psycopg.connect(spine.backing.admin_url) as admin:
            assert plaintexts(admin) == []
        # when
        await writer.vault.erase(person)
        reader.vault.clear_cache()
        # then: the stored messages cannot be decrypted
        for message in kept:
            envelope = Envelope.read(message.headers)
            (plain,) = await decrypt_bodies([message.body], reader.vault)
            read = event_type(envelope).model_validate(plain)
            assert (read.given_name, read.family_name, read.contacts) == (None, None, ())
        (plain,) = await decrypt_bodies([letter.body], reader.vault)
        assert CANARY not in str(plain)
    assert "message.dead" in [facts["event"] for facts in logged]
    assert CANARY not in "".join(line(facts) for facts in logged)

"""Headers that nobody here writes: whatever is in them, a message is settled, and what lies behind it does not wait."""

import datetime as dt
import struct

import aio_pika
import aiormq
import pamqp.frame
import pytest
from aiormq.abc import ChannelFrame, DeliveredMessage
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands, decode
from pamqp.encode import field_table

from shared.errors import Reject
from shared.events import Envelope, SchoolChanged
from shared.events.headers import LONGEST_NAME, copy_headers
from shared.messaging import confirming_channel, subscriber, tolerant_decoding
from shared.messaging.confirming_channel import Outbound
from shared.testing.fixtures import Recorder, eventually

FRAME_MAX = 131_072


def short(raw):
    return bytes([len(raw)]) + raw


def long(raw):
    return struct.pack(">I", len(raw)) + raw


def text(value):
    return b"S" + long(value.encode())


def table(fields):
    return long(b"".join(short(name) + value for name, value in fields))


def frames(method, fields, body, channel=1, flags=0, before=b"", after=b""):
    """A message's frames, its headers and what stands before and after them as they are given."""
    header = struct.pack(">HHQH", 60, 0, len(body), 1 << 13 | flags) + before + table(fields) + after
    return b"".join((
        pamqp.frame.marshal(method, channel),
        struct.pack(">BHI", 2, channel, len(header)), header, b"\xce",
        struct.pack(">BHI", 3, channel, len(body)), body, b"\xce",
    ))  # fmt: skip


QUEUE = "notifier.school.changed"
PLACE = "routing-key"


def with_key(payload, routing_key):
    """The same frames with another routing key, which may be no text."""
    raw = routing_key if isinstance(routing_key, bytes) else routing_key.encode()
    kind, channel, size = struct.unpack_from(">BHI", payload)
    method = payload[7 : 7 + size].replace(short(PLACE.encode()), short(raw))
    return struct.pack(">BHI", kind, channel, len(method)) + method + payload[7 + size :]


def written(message):
    """The frames that the publisher writes."""
    return ChannelFrame.marshall(1, confirming_channel._frames(message, "m", FRAME_MAX)).payload


def read(data):
    """The frames in some bytes, as aiormq reads them."""
    found = []
    while data:
        size, _, frame = pamqp.frame.unmarshal(data)
        found.append(frame)
        data = data[size:]
    return found


numbers = st.one_of(
    *(
        st.binary(min_size=size, max_size=size).map(lambda raw, kind=kind: kind + raw)
        for kind, size in {b"t": 1, b"b": 1, b"B": 1, b"s": 2, b"u": 2, b"I": 4, b"i": 4, b"f": 4, b"l": 8,
                           b"d": 8, b"T": 8, b"D": 5, b"V": 0}.items()
    )
)  # fmt: skip
raws = st.binary(max_size=40)
names = st.binary(min_size=1, max_size=255)
values = st.recursive(
    numbers | st.builds(lambda kind, raw: kind + long(raw), st.sampled_from([b"S", b"x"]), raws),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda all_: b"A" + long(b"".join(all_)))
        | st.lists(st.tuples(names, inner), max_size=3).map(lambda fields: b"F" + table(fields))
    ),
    max_leaves=8,
)


@given(st.lists(st.tuples(names, values), max_size=6))
async def test_any_table_of_headers_is_read_and_can_be_passed_on(fields):
    # when
    deliver = commands.Basic.Deliver("mine", 1, False, "school.events", "a.b")
    _, header, body = read(frames(deliver, fields, b"first"))
    # then
    headers = header.properties.headers or {}
    assert body.value == b"first"
    assert len(headers) <= len(fields)
    kept = {name for name in headers if not name.startswith("x-") and len(name.encode()) <= LONGEST_NAME}
    assert set(copy_headers(headers)) == kept
    _, header, _ = read(written(Outbound("school.dead", "q", b"first", copy_headers(headers))))
    assert (header.properties.headers or {}).keys() == kept


PROPERTIES = {
    "a content type that is no text": (1 << 15, short(b"\xff\xfe"), b""),
    "a persistence of 7": (1 << 12, b"", b"\x07"),
    "a priority of 255": (1 << 11, b"", b"\xff"),
    "a correlation id that is no text": (1 << 10, b"", short(b"\xff\xfe")),
    "a queue for replies that is no text": (1 << 9, b"", short(b"\xff\xfe")),
    "an expiration that is no number": (1 << 8, b"", short(b"soon")),
    "a message id that is no text": (1 << 7, b"", short(b"\xff\xfe")),
    "an instant after all time": (1 << 6, b"", struct.pack(">Q", 2**60)),
    "a type that is no text": (1 << 5, b"", short(b"\xff\xfe")),
    "an application that is no text": (1 << 3, b"", short(b"\xff\xfe")),
    "a cluster that is no text": (1 << 2, b"", short(b"\xff\xfe")),
}
"""Flag, what stands before the headers, and what stands behind them."""


@pytest.mark.parametrize("name", sorted(PROPERTIES))
def test_properties_that_are_nonsense_become_a_message(name):
    deliver = commands.Basic.Deliver("mine", 1, False, "school.events", "a.b")
    method, header, body = read(frames(deliver, [], b"first", 1, *PROPERTIES[name]))
    message = aio_pika.IncomingMessage(DeliveredMessage(method, header, body.value, channel=None))
    assert message.body == b"first"


texts = st.text(st.characters(codec="utf-8"), max_size=30)
instants = st.integers(0, 2**32 - 1).map(lambda seconds: dt.datetime.fromtimestamp(seconds, dt.UTC))
plain = texts | st.integers(-(2**62), 2**62) | st.booleans() | st.floats(allow_nan=False, width=32) | instants
sound = plain | st.none() | st.lists(plain, max_size=3) | st.dictionaries(texts, plain, max_size=3)


@given(st.dictionaries(texts, sound, max_size=6))
def test_headers_that_make_sense_are_read_as_pamqp_reads_them(headers):
    raw = field_table(headers)
    assert tolerant_decoding.table(raw) == decode.field_table(raw)


def test_what_is_carried_fits_into_a_frame():
    # given
    headers = {"ce-id": "1", "x-death": [], "much": "ä" * 60_000, "more": "a" * 10_000} | {
        f"{n}": "b" * 9_000 for n in range(9)
    }
    # when
    found = copy_headers(headers)
    # then
    assert {"ce-id", "more", "0"} <= found.keys()
    assert not {"x-death", "much"} & found.keys()
    assert len(written(Outbound("school.dead", "q", b"", found))) < FRAME_MAX / 2


def nested(levels):
    """A list that holds a list that holds a list."""
    raw = b""
    for _ in range(levels):
        raw = b"A" + long(raw)
    return raw


NONSENSE = {
    "an instant after all time": {b"when": b"T" + struct.pack(">Q", 2**60)},
    "a name that is no text": {b"\xff\xfe": text("name")},
    "a text that is none": {b"name": b"S" + long(b"\xff\xfe")},
    "a number too large for a float": {b"number": b"d" + struct.pack(">d", 1e300)},
    "deliveries that are no number": {b"x-delivery-count": text("many")},
    "attempts that are no number": {b"sc-attempt": text("many")},
    "attempts below none": {b"sc-attempt": b"I" + struct.pack(">i", -7)},
    "a first failure that is no time": {b"sc-first-failed": b"t\x01"},
    "a type that is a table": {b"ce-type": b"F" + table([(b"a", text("b"))])},
    "a subject that is a list": {b"ce-subject": b"A" + long(text("a"))},
    "an id with a NUL": {b"ce-id": text("a\0b")},
    "headers of 120 kB": {b"much": text("a" * 120_000)},
    "a name of 255 bytes": {b"n" * 255: text("name")},
    "lists in lists": {b"deep": nested(20_000)},
}


async def publish(url, exchange, routing_key, fields, fact, properties=(0, b"", b"")):
    """As a client would that knows nothing of us."""
    body = fact.model_dump_json().encode()
    connection = await aiormq.connect(url)
    try:
        channel = await connection.channel(publisher_confirms=False)
        method = commands.Basic.Publish(exchange=exchange, routing_key=PLACE)
        payload = frames(method, fields, body, channel.number, *properties)
        payload = with_key(payload, routing_key)
        await channel.write_queue.put(ChannelFrame(payload=payload, should_close=False))
        await channel.queue_declare("school.dead", passive=True)  # answered once the publish has been read
    finally:
        await connection.close()


def mixed(fact, nonsense):
    good = {name.encode(): text(value) for name, value in Envelope.of(fact, "test").headers().items()}
    return list((good | nonsense).items())


async def test_a_reaction_settles_nonsense_and_goes_on(spine):
    # given
    good, bad = spine.school(), {name: spine.school() for name in NONSENSE}
    schools = Recorder(lambda event: Reject("no") if event in bad.values() else None)
    letters = Recorder()
    async with spine.running(
        lambda s: s.on(SchoolChanged, schools.one), lambda s: s.store_dead_letters(letters.keep)
    ) as service:
        # when
        for name, fact in bad.items():
            await publish(spine.backing.amqp_url, "", "notifier.school.changed", mixed(fact, NONSENSE[name]), fact)
        await spine.emit(service, good)
        # then
        await schools.until(lambda seen: good in seen)
        await letters.until(lambda seen: kinds(seen, bad) == set(NONSENSE))
        mine = [letter for letter in letters.seen if kinds([letter], bad)]
        assert {(letter.queue, letter.attempts) for letter in mine} == {("notifier.school.changed", 1)}
        assert len(mine) == len(NONSENSE)


async def test_properties_and_routing_keys_that_are_nonsense_keep_no_message_from_being_handled(spine):
    # given
    facts, refused = {name: spine.school() for name in (*PROPERTIES, "a routing key that is no text")}, set()
    schools, projected, url = Recorder(), Recorder(), spine.backing.amqp_url

    def register(service):
        service.on(SchoolChanged, schools.one)
        service.project("projected", (SchoolChanged,), projected.many)

    async def names_of(seen):
        return {name for name, fact in facts.items() if fact in seen}

    async with spine.running(register):
        # when
        for name, properties in PROPERTIES.items():
            for exchange, key in (("", QUEUE), ("school.events", "school.projected")):
                try:
                    await publish(url, exchange, key, mixed(facts[name], {}), facts[name], properties)
                except aiormq.exceptions.AMQPError:
                    refused.add(name)  # by RabbitMQ: it reaches no queue
        *_, last = facts.values()
        await publish(url, "", QUEUE, mixed(last, {}), last)
        await publish(url, "school.events", b"school.\xff\xfe", mixed(last, {}), last)
        # then
        wanted = facts.keys() - refused
        for each in (schools, projected):
            await eventually(lambda each=each: names_of(each.seen), lambda found: wanted <= found)
    assert refused <= {"a persistence of 7", "an expiration that is no number"}


async def test_a_projection_passes_nonsense_by_and_goes_on(spine):
    # given
    good, bad = spine.school(), {name: spine.school() for name in NONSENSE}
    letters = Recorder()

    async def note(events, tx):
        if any(event in bad.values() for event in events):
            raise Reject("no")

    def register(service):
        service.project("note", (SchoolChanged,), note)
        service.store_dead_letters(letters.keep)

    async with spine.running(register) as service:
        # when
        for name, fact in bad.items():
            await publish(spine.backing.amqp_url, "school.events", fact.topic, mixed(fact, NONSENSE[name]), fact)
        await spine.emit(service, good)
        # then: the type that is a table is nobody's
        await letters.until(lambda seen: kinds(seen, bad) == set(NONSENSE) - {"a type that is a table"})
        assert {letter.queue for letter in letters.seen if kinds([letter], bad)} == {"notifier.log.note"}

        async def passed():
            query = "SELECT count(*) FROM directory_seen WHERE school_id = %s"
            return await spine.count(service, query, good.school_id)

        await eventually(passed, lambda found: found == 1)


@pytest.fixture
def small(monkeypatch):
    """Bodies that came in from others and are too large for us to write."""
    monkeypatch.setattr(confirming_channel, "MOST_BODY", 1_000)
    monkeypatch.setattr(subscriber, "REQUEUE_SECONDS", 0.01)


async def test_a_message_that_cannot_be_forwarded_returns_to_its_queue_and_blocks_no_other(spine, small):
    """Until the delivery limit: `test_subscriber.py` has the whole way."""
    # given
    good, bad = spine.school(), spine.school().model_copy(update={"name": "x" * 1_000})
    schools = Recorder(lambda event: Reject("no") if event == bad else None)
    async with spine.running(lambda s: s.on(SchoolChanged, schools.one)) as service:
        # when
        await publish(spine.backing.amqp_url, "", "notifier.school.changed", mixed(bad, {}), bad)
        await spine.emit(service, good)
        # then
        await schools.until(lambda seen: good in seen and seen.count(bad) > 2)
        assert not service.components.pause_switch.closed


async def test_what_cannot_be_set_aside_stays_in_the_log_and_the_others_are_projected(spine, small):
    # given
    good, bad = spine.school(), spine.school().model_copy(update={"name": "x" * 1_000})
    schools = Recorder(lambda event: Reject("no") if event == bad else None)

    async def remember(events, tx):
        await schools.many(events, tx)

    async with spine.running(lambda s: s.project("remember", (SchoolChanged,), remember)) as service:
        # when
        await publish(spine.backing.amqp_url, "school.events", bad.topic, mixed(bad, {}), bad)
        await spine.emit(service, good)
        # then
        await schools.until(lambda seen: good in seen)


def kinds(letters, bad):
    """Of which nonsense there is a letter."""
    bodies = {letter.body for letter in letters}
    return {name for name, fact in bad.items() if fact.model_dump_json().encode() in bodies}

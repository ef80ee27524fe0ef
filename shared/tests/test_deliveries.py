"""What is taken from frames beside what pamqp put into them; everything else reaches aiormq as it came."""

import asyncio
import datetime as dt
import uuid

import pamqp.exceptions
import pamqp.frame
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp import commands
from pamqp.body import ContentBody
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from shared.messaging.deliveries import HEARTBEAT, Frames, linked
from shared.testing.fault_proxy import proxied
from shared.testing.fixtures import eventually

CONSUMER = "mine"
MOST = 50

texts = st.text(st.characters(codec="utf-8"), max_size=30)
names = st.text(st.characters(codec="ascii", categories=["L", "N", "Pd"]), min_size=1, max_size=20)
instants = st.integers(0, 2**32 - 1).map(lambda seconds: dt.datetime.fromtimestamp(seconds, dt.UTC))
plain = texts | st.integers(-(2**62), 2**62) | st.booleans() | st.floats(allow_nan=False, width=32) | instants
values = plain | st.none() | st.lists(plain, max_size=3) | st.dictionaries(names, plain, max_size=3)
tables = st.dictionaries(names, values, max_size=6)
bodies = st.binary(max_size=3 * MOST)


def content(channel, method, headers, body, **properties):
    header = ContentHeader(0, len(body), commands.Basic.Properties(headers=headers, **properties))
    pieces = [ContentBody(body[at : at + MOST]) for at in range(0, len(body), MOST)]
    return b"".join(pamqp.frame.marshal(each, channel) for each in (method, header, *pieces))


def delivered(channel, consumer, tag, headers, body, **properties):
    method = commands.Basic.Deliver(consumer, tag, exchange="school.events", routing_key="a.b", redelivered=True)
    return content(channel, method, headers, body, **properties)


class Wire:
    """Feeds frames to what takes from them; keeps what was taken and what was left."""

    def __init__(self):
        self.taken, self.left = [], b""
        self.frames = Frames()
        self.frames.taken_by(1, CONSUMER, lambda *message: self.taken.append(message))

    def feed(self, data):
        self.left += self.frames.without_taken(data)

    @property
    def passed_on(self):
        return self.left.replace(HEARTBEAT, b"")


@settings(deadline=None)
@given(st.data(), st.lists(st.tuples(tables, bodies), max_size=4), st.lists(st.integers(1, 400), max_size=8))
async def test_what_is_taken_is_what_pamqp_wrote_however_it_is_torn(data, messages, tears):
    # given: messages of ours between those of others on other channels, and what else a broker says
    wire = Wire()
    others = {
        "another's": delivered(2, CONSUMER, 9, {"a": 1}, b"other"),
        "untaken": delivered(1, "another", 9, {"a": 1}, b"other"),
        "returned": content(1, commands.Basic.Return(312, "NO_ROUTE", "x", "y"), {"a": "b"}, b"back"),
        "closed": pamqp.frame.marshal(commands.Channel.Close(404, "gone", 0, 0), 1),
        "confirmed": pamqp.frame.marshal(commands.Basic.Ack(7), 3),
    }
    stream, wanted = b"", b""
    for tag, (headers, body) in enumerate(messages, 1):
        between = data.draw(st.lists(st.sampled_from(sorted(others)), max_size=2))
        mine = delivered(
            1, CONSUMER, tag, headers, body, **data.draw(st.sampled_from([{}, {"content_type": "application/json"},
            {"content_type": "a", "content_encoding": "gzip", "message_id": "m", "delivery_mode": 2}]))
        )  # fmt: skip
        for name in between:
            wanted += others[name]
        stream += b"".join(others[name] for name in between) + mine
    # when
    at = 0
    for size in tears:
        wire.feed(stream[at : at + size])
        at += size
    wire.feed(stream[at:])
    # then
    assert wire.taken == [(headers, body, tag) for tag, (headers, body) in enumerate(messages, 1)]
    assert wire.passed_on == wanted


def torn(stream):
    while stream:
        size = pamqp.frame.frame_parts(stream)[2] + 8
        yield stream[:size]
        stream = stream[size:]


async def test_frames_of_two_channels_may_lie_between_each_other():
    wire = Wire()
    wire.frames.taken_by(2, CONSUMER, lambda *message: wire.taken.append(message))
    first = delivered(1, CONSUMER, 5, {"a": "b"}, b"x" * 2 * MOST)
    second = delivered(2, CONSUMER, 6, {}, b"y" * 2 * MOST)
    for frames in zip(torn(first), torn(second), strict=True):
        wire.feed(b"".join(frames))
    assert wire.taken == [({"a": "b"}, b"x" * 2 * MOST, 5), ({}, b"y" * 2 * MOST, 6)]
    assert wire.passed_on == b""


async def test_nothing_is_taken_from_a_channel_that_was_given_up_and_another_may_have_its_number():
    wire = Wire()
    whole = delivered(1, CONSUMER, 1, {}, b"x" * 2 * MOST)
    wire.feed(whole[:-MOST])
    wire.frames.forget(1)
    late = delivered(1, CONSUMER, 2, {}, b"late")
    wire.feed(whole[-MOST:] + late)
    assert wire.taken == []
    assert wire.passed_on == late
    wire.frames.taken_by(1, "next", lambda *message: wire.taken.append(message))
    wire.feed(delivered(1, "next", 1, {}, b"new"))
    assert wire.taken == [({}, b"new", 1)]


async def test_a_text_that_is_none_stays_bytes_as_with_pamqp():
    raw = delivered(1, CONSUMER, 1, {"name": "abc"}, b"")
    wire = Wire()
    wire.feed(raw.replace(b"abc", b"\xff\xfe\xfd"))
    assert wire.taken == [({"name": b"\xff\xfe\xfd"}, b"", 1)]


async def test_what_does_not_end_as_a_frame_does_is_left_to_aiormq_which_says_so():
    raw = bytearray(delivered(1, CONSUMER, 1, {}, b"body"))
    raw[-1] = 0
    wire = Wire()
    wire.feed(bytes(raw))
    assert wire.taken == []
    with pytest.raises(pamqp.exceptions.UnmarshalingException):
        pamqp.frame.unmarshal(wire.passed_on)


async def test_who_delivers_all_the_time_and_sends_no_heartbeat_is_alive():
    wire = Wire()
    for tag in range(1, 1000):
        wire.feed(delivered(1, CONSUMER, tag, {}, b"body"))
    assert wire.left == HEARTBEAT == pamqp.frame.marshal(Heartbeat(), 0)


async def test_a_link_that_is_cut_is_gone_and_tells_whoever_takes(spine):
    # given
    lost = asyncio.Event()
    queue = f"test.{uuid.uuid4()}"
    taken = []
    async with (
        proxied(spine.backing.amqp_url) as (url, proxy),
        linked(url, "test") as link,
        link.channel(10, lost.set) as channel,
    ):
        await channel.queue_declare(queue)
        await link.consume(channel, queue, lambda *message: taken.append(message))
        for number in range(20):
            await channel.basic_publish(
                str(number).encode() * 200_000, routing_key=queue, properties=commands.Basic.Properties()
            )
        await eventually(lambda: asyncio.sleep(0, len(taken)), lambda found: found == 10)
        await channel.basic_ack(10, multiple=True)
        await eventually(lambda: asyncio.sleep(0, len(taken)), lambda found: found == 20)
        assert [body for _, body, _ in taken] == [str(number).encode() * 200_000 for number in range(20)]
        assert [tag for _, _, tag in taken] == list(range(1, 21))
        # when
        proxy.cut()
        # then
        async with asyncio.timeout(10):
            await lost.wait()
            await link.gone.wait()

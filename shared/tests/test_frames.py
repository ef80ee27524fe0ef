"""Our frames beside pamqp's reading of them."""

import pamqp.frame
from hypothesis import given
from hypothesis import strategies as st

from shared.messaging.frames import Outbound, publishing

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
names = st.text(st.characters(codec="ascii", categories=["L", "N", "Pd"]), min_size=1, max_size=30)
exchanges = st.text("abcXYZ019-_.:", max_size=40)
values = texts | st.integers(-(2**31), 2**31) | st.lists(texts, max_size=3) | st.booleans()


@given(
    st.integers(1, 2047),
    exchanges,
    texts,
    st.binary(max_size=300),
    st.dictionaries(names, values),
    texts,
    st.booleans(),
)
def test_what_is_written_is_what_pamqp_reads(channel, exchange, key, body, headers, identity, mandatory):
    # when
    rest = publishing(channel, Outbound(exchange, key, body, headers, mandatory), identity, most=100)
    # then
    frames = []
    while rest:
        size, number, frame = pamqp.frame.unmarshal(rest)
        assert number == channel
        frames.append(frame)
        rest = rest[size:]
    method, header, *pieces = frames
    assert (method.name, method.exchange, method.routing_key) == ("Basic.Publish", exchange, key)
    assert method.mandatory is mandatory
    read = header.properties
    assert (read.content_type, read.delivery_mode, read.message_id) == ("application/json", 2, identity)
    assert (read.headers or {}) == headers
    assert header.body_size == len(body)
    assert b"".join(piece.value for piece in pieces) == body
    assert all(len(piece.value) <= 100 for piece in pieces)

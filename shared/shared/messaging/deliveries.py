"""Takes deliveries out of their frames before aiormq does, which needs ten times as long for the same bytes.

All else that the broker says goes on to aiormq, which keeps the connection and its channels. AMQP 0-9-1, sections 2.3.5
and 4.2.6: a method frame, a content header, body frames, one behind the other on their channel.
"""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, SupportsIndex
from uuid import uuid4

import aiormq
from aiormq.abc import AbstractConnection, DeliveredMessage
from aiormq.channel import Channel
from aiormq.connection import TransportFactory
from pamqp.decode import embedded_value
from yarl import URL

CONTENT_TYPE, CONTENT_ENCODING, HEADERS = 1 << 15, 1 << 14, 1 << 13
END = b"\xce"

CONNECT_SECONDS = 5
METHOD, HEADER, BODY = 1, 2, 3
BEFORE, AROUND = 7, 8
"""Bytes of a frame before its payload, and with the one behind it."""
BASIC_DELIVER = b"\x00\x3c\x00\x3c"
STRING = ord("S")
SIZED = frozenset((b"S", b"A", b"F", b"x"))
SIZES = {
    b"t": 1, b"b": 1, b"B": 1, b"s": 2, b"u": 2, b"I": 4, b"i": 4, b"f": 4, b"D": 5,
    b"l": 8, b"L": 8, b"d": 8, b"T": 8, b"V": 0,
}  # fmt: skip
"""Kinds of values as RabbitMQ knows them, and the bytes behind the kind's own (rabbit_binary_parser)."""
UNREADABLE = "unreadable"
HEARTBEAT = b"\x08\x00\x00\x00\x00\x00\x00" + END
HEARTBEAT_SECONDS = 1.0

Take = Callable[[Mapping[str, Any], bytes, int], None]
"""Is given a message's headers, its body and its delivery tag."""

_frame = struct.Struct(">BHI").unpack_from
_long = struct.Struct(">I").unpack_from
_longlong = struct.Struct(">Q").unpack_from
_sizes = struct.Struct(">QH").unpack_from


@dataclass(slots=True)
class _Content:
    """A message whose frames have not all come."""

    take: Take
    tag: int
    headers: dict[str, Any] = field(default_factory=dict)
    missing: int = 0
    parts: list[bytes] = field(default_factory=list)


class _Reader(asyncio.StreamReader):
    """What aiormq reads from a connection: all but the deliveries that are taken."""

    def __init__(self, frames: "Frames") -> None:
        super().__init__()
        self._frames = frames

    def feed_data(self, data: Iterable[SupportsIndex]) -> None:
        if rest := self._frames.without_taken(bytes(data)):
            super().feed_data(rest)


class Frames(TransportFactory):
    """One connection's frames as they come in."""

    def __init__(self) -> None:
        self._takers: dict[tuple[int, bytes], Take] = {}
        self._begun: dict[int, _Content] = {}
        self._torn = b""
        self._alive = 0.0

    async def create(self, url: URL, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """As aiormq's own, which hands its options on to asyncio."""
        provider = options.pop("ssl_context_provider")
        options |= {"host": url.host, "port": url.port}
        if url.scheme == "amqps":
            options["ssl"] = await provider.get_context()
        loop = asyncio.get_running_loop()
        reader = _Reader(self)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.create_connection(lambda: protocol, **options)
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    def taken_by(self, channel: int, consumer: str, take: Take) -> None:
        """From now on `take` is given what this consumer is delivered."""
        self._takers[channel, consumer.encode()] = take

    def forget(self, channel: int) -> None:
        """Nobody takes from a channel any more; its number is given to another."""
        self._takers = {key: take for key, take in self._takers.items() if key[0] != channel}
        if begun := self._begun.get(channel):
            begun.take = lambda *_: None  # aiormq could make nothing of the rest of its frames

    def without_taken(self, data: bytes) -> bytes:
        """What is left for aiormq; a torn frame waits for its rest."""
        data = self._torn + data
        at = kept = 0
        left = []
        while at + BEFORE <= len(data):
            kind, channel, size = _frame(data, at)
            after = at + AROUND + size
            if after > len(data):
                break
            if data[after - 1] == END[0] and self._takes(kind, channel, data, at + BEFORE, after - 1):
                left.append(data[kept:at])
                kept = after
            at = after
        if kept:
            left.append(self._sign_of_life())
        left.append(data[kept:at])
        self._torn = data[at:]
        return b"".join(left)

    def _sign_of_life(self) -> bytes:
        """Whoever delivers sends no heartbeats, and aiormq would take it for dead."""
        now = asyncio.get_running_loop().time()
        if now < self._alive + HEARTBEAT_SECONDS:
            return b""
        self._alive = now
        return HEARTBEAT

    def _takes(self, kind: int, channel: int, data: bytes, at: int, end: int) -> bool:
        if kind == METHOD:
            return self._begins(channel, data, at)
        content = self._begun.get(channel)
        if content is None:
            return False
        if kind == HEADER:
            content.missing, content.headers = _header(data, at)
        elif kind == BODY:
            content.parts.append(data[at:end])
            content.missing -= end - at
        if content.missing <= 0:
            del self._begun[channel]
            body = content.parts[0] if len(content.parts) == 1 else b"".join(content.parts)
            content.take(content.headers, body, content.tag)
        return True

    def _begins(self, channel: int, data: bytes, at: int) -> bool:
        if data[at : at + 4] != BASIC_DELIVER:
            return False
        tag_at = at + 5 + data[at + 4]
        take = self._takers.get((channel, data[at + 5 : tag_at]))
        if take is None:
            return False
        self._begun[channel] = _Content(take, _longlong(data, tag_at)[0])
        return True


def _header(data: bytes, at: int) -> tuple[int, dict[str, Any]]:
    """Bytes of the body, and the headers: the third of the properties, in the order of their flags."""
    size, flags = _sizes(data, at + 4)
    at += 14
    if flags & CONTENT_TYPE:
        at += 1 + data[at]
    if flags & CONTENT_ENCODING:
        at += 1 + data[at]
    if not flags & HEADERS:
        return size, {}
    end = at + 4 + _long(data, at)[0]
    at += 4
    headers: dict[str, Any] = {}
    while at < end:
        name_end = at + 1 + data[at]
        name = _name(data[at + 1 : name_end])
        if data[name_end] == STRING:
            at = name_end + 5
            text_end = at + _long(data, name_end + 1)[0]
            headers[name] = _text(data[at:text_end])
            at = text_end
        else:
            at = _extent(data, name_end)
            headers[name] = _value(data[name_end:at])
    return size, headers


@lru_cache(maxsize=1024)
def _name(raw: bytes) -> str:
    """What is no text is nobody's name here."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return UNREADABLE


def _text(raw: bytes) -> str | bytes:
    """As pamqp: what is no text stays bytes."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _extent(data: bytes, at: int) -> int:
    """Where a value ends, whatever is in it: after its kind come as many bytes as that has, or their number."""
    kind = data[at : at + 1]
    if kind in SIZED:
        size: int = _long(data, at + 1)[0]
        return at + 5 + size
    return at + 1 + SIZES[kind]


def _value(raw: bytes) -> Any:
    """As pamqp; what it cannot make anything of (a year 36,536,598, a name that is no text) stays bytes."""
    try:
        return embedded_value(raw)[1]
    except (ValueError, OverflowError, OSError, RecursionError):
        return raw


@dataclass(frozen=True, slots=True)
class Link:
    """A connection that only takes."""

    connection: AbstractConnection
    gone: asyncio.Event
    """Set once the connection is closed."""
    _frames: Frames

    @asynccontextmanager
    async def channel(self, prefetch: int, lost: Callable[[], None] = lambda: None) -> AsyncIterator[Channel]:
        """A channel; `lost` is called when it closes, and when the broker ends a consumer whose queue is deleted."""
        channel = await self.connection.channel(publisher_confirms=False)
        if not isinstance(channel, Channel):
            msg = f"aiormq's channel is a {type(channel).__name__}"
            raise TypeError(msg)
        channel.closing.add_done_callback(lambda _: lost())
        channel.on_consumer_cancel_callbacks.add(lambda _: lost())
        try:
            await channel.basic_qos(prefetch_count=prefetch)
            yield channel
        finally:
            self._frames.forget(channel.number)
            await channel.close()

    async def consume(self, channel: Channel, queue: str, take: Take, arguments: Any = None) -> str:
        """Have `take` called with what comes from a queue; returns the consumer's tag."""
        consumer = uuid4().hex
        self._frames.taken_by(channel.number, consumer, take)
        await channel.basic_consume(queue, _untaken, consumer_tag=consumer, arguments=arguments)
        return consumer


async def _untaken(_: DeliveredMessage) -> None:
    """What still comes on a channel that is being closed: the broker gives it to somebody again."""


@asynccontextmanager
async def linked(url: str, name: str) -> AsyncIterator[Link]:
    """A connection under a name that the broker shows."""
    frames = Frames()
    async with asyncio.timeout(CONNECT_SECONDS):
        connection = await aiormq.connect(url, client_properties={"connection_name": name}, transport_factory=frames)
    gone = asyncio.Event()
    connection.closing.add_done_callback(lambda _: gone.set())
    try:
        yield Link(connection, gone, frames)
    finally:
        await connection.close()

"""HTTP/2 frames as bytes (RFC 9113, sections 4 and 6) and their header blocks (RFC 7541)."""

import struct
from functools import lru_cache

from hpack import Decoder, Encoder, HPACKError, NeverIndexedHeaderTuple
from hpack.table import HeaderTable

from cli.fakes.exchange import BODY_LIMIT, Head, Headers, head

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD = struct.Struct(">HBBBI")
"""Length (two fields), type, flags, stream."""
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITISED = 0x1, 0x1, 0x4, 0x8, 0x20
NO_ERROR, PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR = 0, 1, 3, 5, 6
REFUSED_STREAM, COMPRESSION_ERROR = 7, 9
MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_HEADER_LIST_SIZE = 3, 4, 6

LONGEST_FRAME = 16_384
FIRST_WINDOW = 65_535
LARGEST_WINDOW = 2**31 - 1
STREAMS = 100
"""Concurrent streams per HTTP/2 connection, as Google's front ends allow."""
STREAM_WINDOW = BODY_LIMIT + LONGEST_FRAME
"""No window of a stream is ever opened further: what does not fit is refused."""
CONNECTION_WINDOW = 8 * 1024 * 1024
HEADER_LIST = 32 * 1024
REMEMBERED = 200
NUMBER = 4


class Broken(Exception):
    """The client breaks the protocol: the connection ends with this error code (section 7)."""

    def __init__(self, code: int) -> None:
        super().__init__(f"HTTP/2 error {code}")
        self.code = code


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One whole frame; `payload` is at most 16,384 bytes."""
    length = len(payload)
    return HEAD.pack(length >> 8, length & 0xFF, kind, flags, stream) + payload


def number(value: int) -> bytes:
    """Four bytes: an error code or a window's increment."""
    return value.to_bytes(NUMBER)


def greeting() -> bytes:
    """What a server says first: its limits, and a window wide enough never to be waited for."""
    settings = {
        MAX_CONCURRENT_STREAMS: STREAMS,
        INITIAL_WINDOW_SIZE: STREAM_WINDOW,
        MAX_HEADER_LIST_SIZE: HEADER_LIST,
    }
    said = b"".join(struct.pack(">HI", *each) for each in settings.items())
    return frame(SETTINGS, 0, 0, said) + frame(WINDOW_UPDATE, 0, 0, number(CONNECTION_WINDOW - FIRST_WINDOW))


def unpadded(kind: int, flags: int, payload: bytes) -> bytes:
    """The content of a DATA or HEADERS frame, without padding and priority."""
    begin, end = 0, len(payload)
    if flags & PADDED:
        if not payload:
            raise Broken(FRAME_SIZE_ERROR)
        begin, end = 1, end - payload[0]
    if kind == HEADERS and flags & PRIORITISED:
        begin += 5
    if begin > end:
        raise Broken(PROTOCOL_ERROR)
    return payload[begin:end]


@lru_cache(1000)
def answer_head(status: int, headers: Headers) -> bytes:
    """The header block of an answer. It does not touch the client's table, so that it is the same for everybody."""
    fields = [(":status", str(status)), *headers]
    return Encoder().encode(NeverIndexedHeaderTuple(*each) for each in fields)


class _Table(HeaderTable):
    """Counts its changes."""

    changes = 0

    def add(self, name: bytes, value: bytes) -> None:
        self.changes += 1
        super().add(name, value)


class Reader:
    """Header blocks of one connection. The same bytes mean the same as long as the table has not changed."""

    def __init__(self) -> None:
        self.decoder = Decoder(HEADER_LIST)
        self.table = self.decoder.header_table = _Table()
        self.known: dict[bytes, Head | None] = {}

    def read(self, block: bytes) -> Head | None:
        """The head of a request, None when the block is none (trailers, say); raises Broken(COMPRESSION_ERROR)."""
        if block in self.known:
            return self.known[block]
        before = self.table.changes
        try:
            fields = dict(self.decoder.decode(block, raw=True))
        except HPACKError as problem:
            raise Broken(COMPRESSION_ERROR) from problem
        found = None
        if b":method" in fields and b":path" in fields:
            asked = fields[b":method"], fields[b":path"], fields.get(b"authorization", b"")
            found = head(*(each.decode("latin-1") for each in asked))
        resized = b"\x20" <= block[:1] < b"\x40"  # only ever at its start (RFC 7541 section 4.2)
        if resized or self.table.changes != before or len(self.known) >= REMEMBERED:
            self.known.clear()
        else:
            self.known[block] = found
        return found

"""The server's side of one HTTP/2 connection (RFC 9113).

Written for many small requests at once: everything that one read brings is answered in one write, and a header block
is decoded once. Why not a server from a package: docs/decisions/0016.
"""

import asyncio
import struct
from typing import cast

from cli.fakes import frames
from cli.fakes.exchange import BODY_LIMIT, JSON, TOO_LARGE, App, Exchange, Head, Headers
from cli.fakes.frames import FIRST_WINDOW, LARGEST_WINDOW, LONGEST_FRAME, STREAMS, Broken, frame, number


class _Stream:
    """A request that is coming, or waits for its answer, or an answer that waits for room in the window."""

    __slots__ = ("content", "head", "sent", "whole", "window")

    def __init__(self, head: Head, window: int) -> None:
        self.head = head
        self.content = b""
        self.whole = False
        self.window = window
        self.sent = 0


class Http2(asyncio.Protocol):
    """One connection; `app` is called with each request as soon as it is whole."""

    transport: asyncio.Transport

    def __init__(self, app: App) -> None:
        self.app = app
        self.reader = frames.Reader()
        self.rest = b""
        self.out: list[bytes] = []
        self.greeted = self.ended = self.reading = self.called = False
        self.begun: tuple[int, int, bytes] | None = None
        self.last = self.taken = 0
        self.window = self.first_window = FIRST_WINDOW
        self.streams: dict[int, _Stream] = {}
        self.answers: dict[int, _Stream] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio.Transport, they only behave like one.
        self.transport = cast("asyncio.Transport", transport)
        self.loop = asyncio.get_running_loop()
        host, port = transport.get_extra_info("peername")[:2]
        self.client = f"{host}:{port}"
        self.transport.write(frames.greeting())

    def connection_lost(self, _problem: Exception | None) -> None:
        self.ended = True
        self.streams.clear()
        self.answers.clear()

    def data_received(self, data: bytes) -> None:
        self.reading = True
        try:
            self._read(self.rest + data if self.rest else data)
        except Broken as problem:
            self.go_away(problem.code)
        finally:
            self.reading = False
        self._flush()

    def answer(self, stream: int, status: int, content: bytes, headers: Headers) -> None:
        """Answer a request; nothing happens when the client has reset it."""
        asked = self.streams.pop(stream, None)
        if asked is None or self.ended:
            return
        head, size = frames.answer_head(status, headers), len(content)
        if not size:
            self.out.append(frame(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, stream, head))
        elif size <= LONGEST_FRAME and size <= asked.window and size <= self.window:
            self.window -= size
            self.out += (
                frame(frames.HEADERS, frames.END_HEADERS, stream, head),
                frame(frames.DATA, frames.END_STREAM, stream, content),
            )
        else:
            self.out.append(frame(frames.HEADERS, frames.END_HEADERS, stream, head))
            asked.content = content
            self.answers[stream] = asked
            self._pump()
        if not (self.reading or self.called):
            # Answers that were held back come many at a time as well.
            self.called = True
            self.loop.call_soon(self._flush)

    def hang_up(self) -> None:
        """Close the connection; earlier answers still reach the client."""
        self._flush()
        self.ended = True
        self.transport.close()

    def go_away(self, code: int = frames.NO_ERROR) -> None:
        """Say which request was the last (GOAWAY), and close."""
        if not self.ended:
            self.out.append(frame(frames.GOAWAY, 0, 0, number(self.last) + number(code)))
            self.hang_up()

    def _flush(self) -> None:
        self.called = False
        if self.out and not self.ended:
            self.transport.write(b"".join(self.out))
        self.out.clear()

    def _read(self, data: bytes) -> None:
        at, end = 0, len(data)
        if not self.greeted:
            if end < len(frames.PREFACE):
                self.rest = data
                return
            if not data.startswith(frames.PREFACE):
                raise Broken(frames.PROTOCOL_ERROR)
            self.greeted, at = True, len(frames.PREFACE)
        while end - at >= frames.HEAD.size and not self.ended:
            high, low, kind, flags, stream = frames.HEAD.unpack_from(data, at)
            begin = at + frames.HEAD.size
            upto = begin + (high << 8 | low)
            if upto - begin > LONGEST_FRAME:
                raise Broken(frames.FRAME_SIZE_ERROR)
            if upto > end:
                break
            at = upto
            self._frame(kind, flags, stream & LARGEST_WINDOW, data[begin:upto])
        self.rest = data[at:]

    def _frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if self.begun is not None and kind != frames.CONTINUATION:
            raise Broken(frames.PROTOCOL_ERROR)
        match kind:
            case frames.DATA:
                self._data(stream, flags, payload)
            case frames.HEADERS:
                self._headers(stream, flags, frames.unpadded(kind, flags, payload))
            case frames.CONTINUATION:
                self._continued(stream, flags, payload)
            case frames.WINDOW_UPDATE:
                self._widened(stream, payload)
            case frames.SETTINGS if not flags & frames.ACK:
                self._settings(payload)
            case frames.PING if not flags & frames.ACK:
                self.out.append(frame(frames.PING, frames.ACK, 0, payload))
            case frames.RST_STREAM:
                self.streams.pop(stream, None)
                self.answers.pop(stream, None)
            case frames.PUSH_PROMISE:
                raise Broken(frames.PROTOCOL_ERROR)
            case _:
                pass  # priorities, acknowledgements, and kinds that are not known (section 4.1)

    def _headers(self, stream: int, flags: int, block: bytes) -> None:
        if not flags & frames.END_HEADERS:
            self.begun = stream, flags, block
            return
        head = self.reader.read(block)
        asked = self.streams.get(stream)
        if asked is not None:
            if asked.whole or not flags & frames.END_STREAM:
                raise Broken(frames.PROTOCOL_ERROR)
            self._whole(stream, asked)  # trailers
        elif not stream & 1:
            raise Broken(frames.PROTOCOL_ERROR)
        elif stream > self.last:
            self.last = stream
            self._open(stream, flags, head)

    def _open(self, stream: int, flags: int, head: Head | None) -> None:
        if head is None:
            self._reset(stream, frames.PROTOCOL_ERROR)
        elif len(self.streams) + len(self.answers) >= STREAMS:
            self._reset(stream, frames.REFUSED_STREAM)
        else:
            asked = self.streams[stream] = _Stream(head, self.first_window)
            if flags & frames.END_STREAM:
                self._whole(stream, asked)

    def _continued(self, stream: int, flags: int, payload: bytes) -> None:
        if self.begun is None or self.begun[0] != stream or len(self.begun[2]) > frames.HEADER_LIST:
            raise Broken(frames.PROTOCOL_ERROR)
        _, first, block = self.begun
        self.begun = None
        self._headers(stream, first | flags, block + payload)

    def _data(self, stream: int, flags: int, payload: bytes) -> None:
        self.taken += len(payload)
        if self.taken > frames.CONNECTION_WINDOW // 2:
            self.out.append(frame(frames.WINDOW_UPDATE, 0, 0, number(self.taken)))
            self.taken = 0
        asked = self.streams.get(stream)
        if asked is None or asked.whole:
            if not stream or stream > self.last:
                raise Broken(frames.PROTOCOL_ERROR)
            return  # it was reset, or refused for its size
        if flags & frames.PADDED:
            payload = frames.unpadded(frames.DATA, flags, payload)
        asked.content = asked.content + payload if asked.content else payload
        if len(asked.content) > BODY_LIMIT:
            self.answer(stream, TOO_LARGE, b"", JSON)
            self._reset(stream, frames.NO_ERROR)
        elif flags & frames.END_STREAM:
            self._whole(stream, asked)

    def _whole(self, stream: int, asked: _Stream) -> None:
        asked.whole = True
        self.app(Exchange(asked.head, asked.content, self.client, self, stream))

    def _reset(self, stream: int, code: int) -> None:
        self.out.append(frame(frames.RST_STREAM, 0, stream, number(code)))

    def _settings(self, payload: bytes) -> None:
        if len(payload) % 6:
            raise Broken(frames.FRAME_SIZE_ERROR)
        for name, value in struct.iter_unpack(">HI", payload):
            if name == frames.INITIAL_WINDOW_SIZE:
                if value > LARGEST_WINDOW:
                    raise Broken(frames.FLOW_CONTROL_ERROR)
                for each in (*self.streams.values(), *self.answers.values()):
                    each.window += value - self.first_window
                self.first_window = value
        self.out.append(frame(frames.SETTINGS, frames.ACK, 0))
        self._pump()

    def _widened(self, stream: int, payload: bytes) -> None:
        if len(payload) != frames.NUMBER:
            raise Broken(frames.FRAME_SIZE_ERROR)
        more = int.from_bytes(payload) & LARGEST_WINDOW
        waiting = self.streams.get(stream) or self.answers.get(stream)
        if not stream:
            self.window += more
        elif waiting is not None:
            waiting.window += more
        if not more or self.window > LARGEST_WINDOW:
            raise Broken(frames.FLOW_CONTROL_ERROR if more else frames.PROTOCOL_ERROR)
        self._pump()

    def _pump(self) -> None:
        """Send of the answers that wait as much as the windows take."""
        for stream, asked in list(self.answers.items()):
            while (size := min(LONGEST_FRAME, len(asked.content) - asked.sent, asked.window, self.window)) > 0:
                part = asked.content[asked.sent : asked.sent + size]
                asked.sent += size
                asked.window -= size
                self.window -= size
                ended = asked.sent == len(asked.content)
                self.out.append(frame(frames.DATA, frames.END_STREAM if ended else 0, stream, part))
                if ended:
                    del self.answers[stream]

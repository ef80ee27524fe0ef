"""A client's stream of server-sent events (HTML, 9.2): its mailbox, and the raw ASGI answer that empties it."""

import asyncio
import datetime as dt
import json
import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.problems import Problem
from gateway.security.caller import Caller

log = structlog.get_logger()

PING = b":\n\n"
SEND_SECONDS = 10.0
MOST_CHUNKS = 256
MOST_BYTES = 256_000
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, dt.datetime) else str(value)


def encoded(kind: str, data: Any, at: int | None = None) -> bytes:
    """One server-sent event (HTML, 9.2.5); JSON holds no line ends."""
    head = b"" if at is None else b"id: %d\n" % at
    return head + b"event: %s\ndata: %s\n\n" % (kind.encode(), json.dumps(data, default=_text).encode())


def goodbye(reason: str) -> bytes:
    """The last event of a stream: come back after a moment, not all at once."""
    wait = random.randint(500, 3_000)  # noqa: S311  # spreads load, keeps no secret
    return b"retry: %d\n" % wait + encoded("reconnect", {"reason": reason})


@dataclass(frozen=True, slots=True)
class Interest:
    """The changes that a client watches: of tasks or of a person's inbox, at one school or (None) at all."""

    kind: str
    school: UUID | None
    person: UUID | None = None

    def wants(self, school: UUID | None) -> bool:
        """Whether the client watches changes of that school."""
        return self.school is None or self.school == school


@dataclass(frozen=True, slots=True)
class Watcher:
    """The holder of a stream: a person or a key, the school of the token, and when the token ends (seconds, epoch)."""

    name: str
    school: UUID | None = None
    until: float = math.inf
    caller: Caller | None = None

    @property
    def seconds(self) -> float | None:
        """How long the token is still valid; None: it has no end."""
        return None if math.isinf(self.until) else self.until - time.time()


class Client:
    """One listener's mailbox."""

    __slots__ = ("born", "chunks", "counted", "ended", "interest", "size", "wake", "watcher")

    def __init__(self, interest: Interest, watcher: Watcher) -> None:
        self.interest = interest
        self.watcher = watcher
        self.counted = (watcher.name,) if watcher.school is None else (watcher.name, str(watcher.school))
        """The names under which its stream counts."""
        self.born = time.monotonic()
        self.chunks: list[bytes] = []
        self.size = 0
        self.ended = False
        self.wake = asyncio.Event()

    def put(self, chunk: bytes) -> None:
        """Add a chunk; a full mailbox is emptied and closed instead."""
        if self.ended:
            return
        if len(self.chunks) >= MOST_CHUNKS or self.size + len(chunk) > MOST_BYTES:
            self.chunks.clear()
            self.end("slow")
            return
        self.chunks.append(chunk)
        self.size += len(chunk)
        self.wake.set()

    def end(self, reason: str | None) -> None:
        """End the stream, with a last event unless the client has disconnected."""
        if self.ended:
            return
        if reason is not None:
            self.chunks.append(goodbye(reason))
        self.ended = True
        self.wake.set()

    def take(self) -> bytes:
        """Return and remove all chunks that wait."""
        found = b"".join(self.chunks)
        self.chunks.clear()
        self.size = 0
        self.wake.clear()
        return found


class Joined(Protocol):
    """Fills the mailboxes of clients."""

    def join(self, client: Client) -> None:
        """Add a client; raises Problem when there is no place."""

    def leave(self, client: Client) -> None:
        """Remove a client."""


class EventStream(Response):
    """A client's stream, as raw ASGI: one coroutine that sends and one that waits for the client to go."""

    media_type = "text/event-stream"

    def __init__(
        self,
        hub: Joined,
        interest: Interest,
        watcher: Watcher,
        missed: Callable[[], Awaitable[list[bytes]]],
        status_code: int = 200,  # FastAPI reads the default for the API's description
    ) -> None:
        super().__init__(status_code=status_code, headers=HEADERS)
        del self.headers["Content-Length"]  # it has no end
        self._hub = hub
        self._interest = interest
        self._watcher = watcher
        self._missed = missed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Join first, then read the missed events: in between nothing can be lost."""
        client = Client(self._interest, self._watcher)
        try:
            self._hub.join(client)
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        watching = asyncio.create_task(_until_gone(receive, client))
        try:
            missed = await self._missed()
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": b"".join([PING, *missed]), "more_body": True})
            while True:
                try:
                    async with asyncio.timeout(self._watcher.seconds):
                        await client.wake.wait()
                except TimeoutError:
                    client.end("token")
                ended = client.ended
                body = client.take()
                async with asyncio.timeout(SEND_SECONDS):
                    await send({"type": "http.response.body", "body": body, "more_body": not ended})
                if ended:
                    return
        except TimeoutError:
            log.info("live.dropped", kind=self._interest.kind)
        finally:
            self._hub.leave(client)
            watching.cancel()


async def _until_gone(receive: Receive, client: Client) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    client.end(None)

"""Sends changes to all clients that watch, as server-sent events, from one hub.

Every gateway receives every change. A client's mailbox is bounded: one that reads too slowly has to reconnect, and
does so with Last-Event-ID. An event's id is its time in milliseconds; the changes since then are read from the rows,
some of them twice, because a change may arrive before its row is committed.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog

from gateway.live.sse_response import PING, Client, Interest, encoded
from gateway.problems import Problem
from gateway.security.caller import Caller
from shared.events import Envelope, Event, InboxChanged, TaskChanged
from shared.persistence.database_errors import is_unavailable

log = structlog.get_logger()

PING_SECONDS = 15
REMEMBERED_SECONDS = 30.0
MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class SentEvent:
    """An event that was sent lately, for clients that reconnect before its row is committed."""

    heard: float
    at: int
    kind: str
    school: UUID | None
    people: frozenset[UUID] | None
    chunk: bytes


@dataclass(slots=True)
class Hub:
    """All clients of this gateway, and the events that were sent lately."""

    longest: float = 900.0
    """Seconds after which a client has to reconnect, with a valid token; a token that ends earlier ends it earlier."""
    per_person: int = 20
    per_school: int = 5_000
    share: Callable[[], int] = lambda: 1
    """The number of gateways that share both limits."""
    stopped: bool = False
    ended: Callable[[Sequence[Caller]], Awaitable[list[Caller]]] | None = None
    """Finds the callers whose access has ended."""
    access_changed: bool = False
    """Whether access may have ended here: then all clients are checked within a second, not only those of the turn."""
    _inboxes: dict[UUID, set[Client]] = field(default_factory=dict)
    _tasks: set[Client] = field(default_factory=set)
    _turns: list[set[Client]] = field(default_factory=lambda: [set() for _ in range(PING_SECONDS)])
    _count: int = 0
    _open: Counter[str] = field(default_factory=Counter)
    """Streams by person or key, and by school."""
    _remembered: deque[SentEvent] = field(default_factory=lambda: deque(maxlen=MOST_REMEMBERED))

    async def heard(self, event: Event, envelope: Envelope) -> None:
        """Send a change to the clients that watch it."""
        at = envelope.id.int >> 80  # the first 48 bits of a UUIDv7: milliseconds (RFC 9562)
        if isinstance(event, TaskChanged):
            self._send(SentEvent(time.monotonic(), at, "task", event.school_id, None, encoded("task", task(event), at)))
        elif isinstance(event, InboxChanged):
            facts = {"notification_id": event.notification_id, "reason": event.reason, "school_id": event.school_id}
            chunk = encoded("inbox", facts, at)
            self._send(SentEvent(time.monotonic(), at, "inbox", event.school_id, frozenset(event.people), chunk))

    def _send(self, sent: SentEvent) -> None:
        self._remembered.append(sent)
        if sent.people is None:
            listening = self._tasks
        else:
            listening = {client for person in sent.people for client in self._inboxes.get(person, ())}
        for client in listening:
            if client.interest.wants(sent.school):
                client.put(sent.chunk)

    def lately(self, interest: Interest, since: int) -> list[bytes]:
        """Return the events since then that a client watches, as far as this gateway remembers them."""
        return [
            sent.chunk
            for sent in self._remembered
            if sent.at >= since
            and sent.kind == interest.kind
            and interest.wants(sent.school)
            and (sent.people is None or interest.person in sent.people)
        ]

    def remembers(self, since: int) -> bool:
        """Whether this gateway remembers all events since then."""
        self.forget()
        return bool(self._remembered) and self._remembered[0].at <= since

    def forget(self) -> None:
        """Drop events that are so old that their rows are committed; keep one, to know how far back the others go."""
        limit = time.monotonic() - REMEMBERED_SECONDS
        while len(self._remembered) > 1 and self._remembered[1].heard < limit:
            self._remembered.popleft()

    def _check_places(self, client: Client) -> None:
        share = self.share()
        for name in client.counted:
            allowed = max(1, (self.per_person if name == client.watcher.name else self.per_school) // share)
            if self._open[name] >= allowed:
                detail = f"At most {allowed} streams of one {'person' if name == client.watcher.name else 'school'}."
                raise Problem(429, "rate_limited", detail, headers={"Retry-After": str(PING_SECONDS)})

    def join(self, client: Client) -> None:
        """Add a client; 429 when its person, its key or its school has all its streams already."""
        self._check_places(client)
        self._count += 1
        self._open.update(client.counted)
        self._turns[self._count % PING_SECONDS].add(client)
        if client.interest.person is None:
            self._tasks.add(client)
        else:
            self._inboxes.setdefault(client.interest.person, set()).add(client)
        if self.stopped:
            client.end("stopping")

    def leave(self, client: Client) -> None:
        """Remove a client that joined."""
        for name in client.counted:
            self._open[name] -= 1
            if self._open[name] <= 0:
                del self._open[name]
        for turn in self._turns:
            turn.discard(client)
        self._tasks.discard(client)
        person = client.interest.person
        if person is not None and person in self._inboxes:
            self._inboxes[person].discard(client)
            if not self._inboxes[person]:
                del self._inboxes[person]

    @property
    def clients(self) -> int:
        """The number of clients."""
        return sum(len(turn) for turn in self._turns)

    def interrupted(self) -> None:
        """End all streams, because events may have been missed: clients reconnect and ask for them."""
        self._remembered.clear()
        self._end_all("interrupted")

    def stop(self) -> None:
        """End all streams: this gateway stops."""
        self.stopped = True
        self._end_all("stopping")

    def _end_all(self, reason: str) -> None:
        for turn in self._turns:
            for client in turn:
                client.end(reason)

    async def run(self) -> None:
        """Send each client a comment every 15 s, a fifteenth of them each second: one timer for all."""
        while True:
            for turn in self._turns:
                await asyncio.sleep(1.0)
                self.forget()
                limit = time.monotonic() - self.longest
                await self._check_access(turn)
                for client in turn:
                    if client.born < limit:
                        client.end("token")
                    elif not client.chunks:
                        client.put(PING)

    def look_again(self) -> None:
        """Check the access of all clients within a second, not only at their turn."""
        self.access_changed = True

    async def _check_access(self, turn: set[Client]) -> None:
        """End the streams of those whose session, role or key has ended."""
        looked, self.access_changed = self._turns if self.access_changed else [turn], False
        clients = [client for each in looked for client in each if client.watcher.caller is not None]
        if self.ended is None or not clients:
            return
        try:
            ended = set(await self.ended([client.watcher.caller for client in clients if client.watcher.caller]))
        except Exception as problem:
            if not is_unavailable(problem):
                raise
            log.warning("live.access_not_checked", error=type(problem).__name__)
            self.access_changed = True
            return
        for client in clients:
            if client.watcher.caller in ended:
                client.end("token")


def task(event: TaskChanged) -> dict[str, Any]:
    """A task's state as `/v1/tasks` shows it; the higher (`epoch`, `version`) is the newer."""
    return {
        "id": event.task_id,
        "school_id": event.school_id,
        "kind": event.kind,
        "state": event.state,
        "epoch": event.epoch,
        "version": event.version,
        "progress": {"done": event.done, "total": event.total},
        "result": event.result,
        "error": event.error,
        "changed_at": event.changed_at.isoformat(),
    }

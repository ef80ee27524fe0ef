"""Stores dead letters of all services. Any message is stored, even one that cannot be read.

A dead letter that an operator returned to its queue is marked. Its consumer reports here what came of it.
"""

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from shared.consumers.message_processor import MessageHandler
from shared.consumers.pause_switch import PauseSwitch
from shared.errors import Refused
from shared.events.headers import (
    ATTEMPT,
    ERROR,
    FAILURE,
    FINGERPRINT,
    FIRST_FAILED,
    LAST_FAILED,
    OUTCOME,
    QUEUE,
    RETRY,
    copy_headers,
    read_count,
    read_number,
)
from shared.messaging.subscriber import Message
from shared.persistence.database import replace_nul
from shared.persistence.database_errors import is_database_down
from shared.transactions.outbox import OutboxEntry, json_text
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

log = structlog.get_logger()

LONGEST_NAME = 255
"""Bytes: AMQP's short string."""
LONGEST = 500
"""Characters: texts of other systems may be longer than an index allows."""
UNKNOWN = "unknown"
"""The queue of a dead letter whose headers do not name one."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that failed finally. Body and headers are as published: personal fields stay encrypted."""

    message_id: str | None
    type: str | None
    school_id: str | None
    queue: str
    error: str
    fingerprint: str
    attempts: int
    first_failed: dt.datetime
    last_failed: dt.datetime
    headers: dict[str, Any]
    body: bytes
    failure: int = 0
    """The number under which it was stored, if an operator returned it from there; else 0."""
    retry: str | None = None
    """The task of the retry that returned it, if it was one of many."""
    outcome: str | None = None
    """If this is no dead letter but a report on a returned one: `done`, `duplicate` or `superseded`."""

    @classmethod
    def of(cls, headers: dict[str, Any], body: bytes, now: dt.datetime) -> "DeadLetter":
        """Read the headers that our consumer added, or the broker's own if the broker dead-lettered the message."""
        queue = _text(headers, QUEUE) or _text(headers, "x-first-death-queue") or UNKNOWN
        reason = _text(headers, "x-first-death-reason") or UNKNOWN
        return cls(
            message_id=_text(headers, "ce-id"),
            type=_text(headers, "ce-type"),
            school_id=_text(headers, "ce-schoolid"),
            queue=queue,
            error=_text(headers, ERROR) or f"dead-lettered by the broker: {reason}",
            fingerprint=_text(headers, FINGERPRINT) or f"{queue}:{reason}",
            attempts=read_count(headers, ATTEMPT),
            first_failed=_time(headers.get(FIRST_FAILED), now),
            last_failed=_time(headers.get(LAST_FAILED), now),
            headers={
                replace_nul(name): replace_nul(value) for name, value in headers.items() if not name.startswith("x-")
            },
            body=body,
            failure=read_number(headers, FAILURE),
            retry=_text(headers, RETRY),
            outcome=_text(headers, OUTCOME),
        )


async def requeue(
    tx: UnitOfWork, queue: str, headers: Mapping[str, Any], body: bytes, marks: Mapping[str, str] | None = None
) -> None:
    """Send a dead letter to its queue again, through the outbox of `tx`; attempts count from 0.

    It keeps its id, so that a consumer that has handled it before ignores it. The broker's headers and our own are
    removed, then `marks` are added. Raises Refused if the body is not text, which no consumer can read, or if the
    queue's name is too long.
    """
    if len(queue.encode()) > LONGEST_NAME:
        raise Refused(f"the name of its queue has more than {LONGEST_NAME} bytes; such a queue cannot exist")
    try:
        data = body.decode()
    except UnicodeDecodeError as problem:
        raise Refused("the body is not text, so that no consumer can read it; discard the message") from problem
    kept = copy_headers(headers, without=("x-", "sc-")) | dict(marks or {})
    tx.outgoing.append(OutboxEntry("", queue, json_text(kept), data))


def _text(headers: Mapping[str, Any], name: str) -> str | None:
    found = headers.get(name)
    return replace_nul(found)[:LONGEST] if found is not None else None


def _time(value: object, default: dt.datetime) -> dt.datetime:
    try:
        return dt.datetime.fromisoformat(str(value))
    except ValueError:
        return default


StoreDeadLetter = Callable[[DeadLetter, UnitOfWork], Awaitable[None]]


class DeadLetterConsumer:
    """Stores each dead letter, then acknowledges it."""

    def __init__(self, keep: StoreDeadLetter, transactions: UnitOfWorkFactory, gate: PauseSwitch) -> None:
        self._keep = keep
        self._transactions = transactions
        self._gate = gate

    async def decode(self, message: Message) -> DeadLetter:
        """Read a message, which may hold anything."""
        return DeadLetter.of(dict(message.headers), message.body, dt.datetime.now(dt.UTC))

    async def handle(self, letter: DeadLetter) -> None:
        """Store one dead letter in a transaction of its own."""
        async with self._transactions.begin() as tx:
            await self._keep(letter, tx)
        if letter.outcome is not None:
            log.info("dead_letter.resolved", queue=letter.queue, failure=letter.failure, outcome=letter.outcome)
            return
        log.warning("dead_letter.stored", queue=letter.queue, fingerprint=letter.fingerprint)

    async def process(self, handle: MessageHandler, message: Message) -> None:
        """Try until the database is available. Any other error requeues the letter, without a limit."""
        while True:
            await self._gate.wait_open()
            try:
                await handle(message)
            except Exception as problem:
                if not is_database_down(problem):
                    raise
                self._gate.close(problem)
            else:
                return

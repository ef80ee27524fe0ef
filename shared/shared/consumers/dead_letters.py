"""Takes dead letters: whatever they are, they are kept; nothing is ever rejected."""

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from shared.consumers.pause_switch import Gate
from shared.errors import Refused
from shared.events.headers import ATTEMPT, carried, number
from shared.messaging.subscriber import Message
from shared.persistence.database import storable
from shared.persistence.database_errors import infrastructure
from shared.transactions.outbox import Outgoing, as_text
from shared.transactions.unit_of_work import Transaction, Transactions

log = structlog.get_logger()

LONGEST_NAME = 255
"""Bytes: AMQP's short string."""
LONGEST = 500
"""Characters: what others send may be longer than an index takes."""
UNKNOWN = "unknown"
"""The queue of a letter that does not say where it died."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that failed for good. Body and headers are as they travelled: personal fields stay sealed."""

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

    @classmethod
    def of(cls, headers: dict[str, Any], body: bytes, now: dt.datetime) -> "DeadLetter":
        """Read what our consumers wrote, or what the broker says of a message that it gave up itself."""
        queue = _text(headers, "sc-queue") or _text(headers, "x-first-death-queue") or UNKNOWN
        reason = _text(headers, "x-first-death-reason") or UNKNOWN
        return cls(
            message_id=_text(headers, "ce-id"),
            type=_text(headers, "ce-type"),
            school_id=_text(headers, "ce-schoolid"),
            queue=queue,
            error=_text(headers, "sc-error") or f"the broker gave it up: {reason}",
            fingerprint=_text(headers, "sc-fingerprint") or f"{queue}:{reason}",
            attempts=number(headers, ATTEMPT),
            first_failed=_time(headers.get("sc-first-failed"), now),
            last_failed=_time(headers.get("sc-last-failed"), now),
            headers={storable(name): storable(value) for name, value in headers.items() if not name.startswith("x-")},
            body=body,
        )


async def give_back(tx: Transaction, queue: str, headers: Mapping[str, Any], body: bytes) -> None:
    """Give a dead letter back to the queue that it died in, by the outbox of `tx`; attempts count from 0 again.

    It keeps its id: a consumer which has handled it before does nothing. The broker's headers stay behind, as do our
    counts. Raises Refused for a body that is not text (no consumer would read it), and for what is no queue's name.
    """
    if len(queue.encode()) > LONGEST_NAME:
        raise Refused(f"the queue that it says it died in is none: its name has more than {LONGEST_NAME} bytes")
    try:
        data = body.decode()
    except UnicodeDecodeError as problem:
        raise Refused("the body is not text: no consumer can read it; discard it") from problem
    tx.outgoing.append(Outgoing("", queue, as_text(carried(headers, without=("x-", "sc-"))), data))


def _text(headers: Mapping[str, Any], name: str) -> str | None:
    found = headers.get(name)
    return storable(found)[:LONGEST] if found is not None else None


def _time(value: object, default: dt.datetime) -> dt.datetime:
    try:
        return dt.datetime.fromisoformat(str(value))
    except ValueError:
        return default


Keep = Callable[[DeadLetter, Transaction], Awaitable[None]]


class Undertaker:
    """Is given each dead letter; it acknowledges what has been kept."""

    def __init__(self, keep: Keep, transactions: Transactions, gate: Gate) -> None:
        self._keep = keep
        self._transactions = transactions
        self._gate = gate

    async def __call__(self, message: Message) -> None:
        """Keep one; through trouble of the database it waits with the message in hand."""
        letter = DeadLetter.of(dict(message.headers), message.body, dt.datetime.now(dt.UTC))
        while True:
            await self._gate.passed()
            try:
                async with self._transactions.begin() as tx:
                    await self._keep(letter, tx)
                message.ack()
            except Exception as problem:
                if not infrastructure(problem):
                    raise
                self._gate.close(problem)
            else:
                log.warning("dead_letter.kept", queue=letter.queue, fingerprint=letter.fingerprint)
                return

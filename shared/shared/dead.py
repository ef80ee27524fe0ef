"""Takes dead letters: whatever they are, they are kept; nothing is ever rejected."""

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from shared.bus import ATTEMPT
from shared.db import infrastructure
from shared.errors import Refused
from shared.gate import Gate
from shared.outbox import Outgoing, as_text
from shared.subscriber import Message
from shared.transaction import Transaction, Transactions

log = structlog.get_logger()

MOST_ATTEMPTS = 1_000_000
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
        queue = _plain(headers.get("sc-queue") or headers.get("x-first-death-queue") or UNKNOWN)
        reason = _plain(headers.get("x-first-death-reason") or UNKNOWN)
        return cls(
            message_id=_text(headers.get("ce-id")),
            type=_text(headers.get("ce-type")),
            school_id=_text(headers.get("ce-schoolid")),
            queue=queue,
            error=_plain(headers.get("sc-error") or f"the broker gave it up: {reason}"),
            fingerprint=_plain(headers.get("sc-fingerprint") or f"{queue}:{reason}"),
            attempts=_number(headers.get(ATTEMPT)),
            first_failed=_time(headers.get("sc-first-failed"), now),
            last_failed=_time(headers.get("sc-last-failed"), now),
            headers={name: _plain(value) for name, value in headers.items() if not name.startswith("x-")},
            body=body,
        )


async def give_back(tx: Transaction, queue: str, headers: Mapping[str, Any], body: bytes) -> None:
    """Give a dead letter back to the queue that it died in, by the outbox of `tx`; attempts count from 0 again.

    It keeps its id, so that a consumer which has handled it before does nothing. The broker's `x-*` headers stay behind
    (an old `x-death` looks like a cycle), and so do our counts. Raises Refused for a body that is not text: nothing of
    ours, and no consumer would read it.
    """
    try:
        data = body.decode()
    except UnicodeDecodeError as problem:
        raise Refused("the body is not text: no consumer can read it; discard it") from problem
    kept = {name: str(value) for name, value in headers.items() if not name.startswith(("x-", "sc-"))}
    tx.outgoing.append(Outgoing("", queue, as_text(kept), data))


def _text(value: object) -> str | None:
    return _plain(value) if value is not None else None


def _plain(value: object) -> str:
    """PostgreSQL's texts hold no NUL."""
    return str(value).replace("\0", "\N{SYMBOL FOR NULL}")


def _number(value: object) -> int:
    text = str(value or 0)
    return min(int(text[:19]), MOST_ATTEMPTS) if text.isascii() and text.isdigit() else 0


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

"""Handles what waits for one consumer together: one inbox statement and one commit for all of them.

Each message still succeeds or fails by itself: what fails is put out, and the others are done again without it. A group
grows as long as it is quick, and is one message where the work is slow or keeps failing.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any

from shared.db import contention, infrastructure
from shared.errors import InfrastructureDown
from shared.events.base import Envelope, Event
from shared.gate import Gate
from shared.transaction import Duplicate, Transaction, Transactions

Take = Callable[[Event, Transaction], Coroutine[Any, Any, None]]

TURN_SECONDS = 0.05
"""After this long a group commits what it has done; the rest waits for the next one."""
BUSY = 3
"""Wait LINGER for more only after a group of at least this many: a lone message is handled at once."""
LINGER = 0.002


@dataclass(eq=False, slots=True)
class _Waiting:
    """A message in hand, and where to say what became of it."""

    envelope: Envelope
    fact: Event
    context: Context = field(default_factory=copy_context)
    outcome: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    since: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    @property
    def order(self) -> tuple[str, str]:
        return str(self.envelope.school_id), self.envelope.subject

    def end(self, problem: Exception | None = None) -> None:
        """Whoever was to be told may have been cancelled."""
        if self.outcome.done():
            return
        if problem is None:
            self.outcome.set_result(None)
        else:
            self.outcome.set_exception(problem)


class Together:
    """One consumer's handler and what waits for it."""

    def __init__(
        self,
        consumer: str,
        handler: Take,
        transactions: Transactions,
        places: asyncio.Semaphore,
        gate: Gate,
        *,
        most: int,
        turn_seconds: float = TURN_SECONDS,
    ) -> None:
        """`places`: how many transactions run at once in this process; `most`: messages in one of them."""
        self._turn_seconds = turn_seconds
        self._consumer = consumer
        self._handler = handler
        self._transactions = transactions
        self._places = places
        self._gate = gate
        self._most = max(most, 1)
        self._size = self._most
        self._waiting: deque[_Waiting] = deque()
        self._turns: set[asyncio.Task[None]] = set()
        self._overdue: asyncio.TimerHandle | None = None

    async def take(self, envelope: Envelope, fact: Event) -> None:
        """Return once the message's effects have committed; raises Duplicate, or whatever its handler raised."""
        mine = _Waiting(envelope, fact)
        self._waiting.append(mine)
        self._begin()
        await mine.outcome

    def _begin(self) -> None:
        """As Nagle's algorithm: at once if nothing is on its way, else when a full group waits, or for long enough."""
        while self._waiting and (not self._turns or len(self._waiting) >= self._size):
            self._begin_one()
        if self._waiting and self._overdue is None:
            when = self._waiting[0].since + self._turn_seconds
            self._overdue = asyncio.get_running_loop().call_at(when, self._begin_anyway)

    def _begin_anyway(self) -> None:
        """What is on its way is slow: nobody waits for that who has waited for so long."""
        self._overdue = None
        if self._waiting and asyncio.get_running_loop().time() >= self._waiting[0].since + self._turn_seconds:
            self._begin_one()
        self._begin()

    def _begin_one(self) -> None:
        group = [self._waiting.popleft()]
        while self._waiting and len(group) < self._size and not (group[0].fact.heavy or self._waiting[0].fact.heavy):
            group.append(self._waiting.popleft())
        turn = asyncio.create_task(self._turn(group))
        self._turns.add(turn)
        turn.add_done_callback(self._ended)

    def _ended(self, turn: asyncio.Task[None]) -> None:
        self._turns.discard(turn)
        self._begin()

    async def _turn(self, group: list[_Waiting]) -> None:
        try:
            async with self._places:
                # Who waited for a place while the database went away does not ask it.
                await self._gate.passed()
                # Groups that touch the same rows touch them in the same order, so that they do not wait in a circle.
                wanted = sorted((each for each in group if not each.outcome.done()), key=lambda each: each.order)
                if wanted:
                    await self._commit(wanted)
            if len(group) >= BUSY and len(self._waiting) < self._size:
                await asyncio.sleep(LINGER)
        except BaseException:
            for each in group:
                each.outcome.cancel()
            raise

    async def _commit(self, group: list[_Waiting]) -> None:
        clock = asyncio.get_running_loop().time
        slow = False
        handled, repeats = [], []
        at: tuple[_Waiting, Transaction] | None = None
        try:
            async with self._transactions.handle(self._consumer, [each.envelope for each in group]) as left:
                # The handlers' time alone: a busy database is no reason for more commits.
                began = clock()
                for each in group:
                    transaction = left.pop(each.envelope.id, None)
                    if transaction is None:
                        repeats.append(each)
                        continue
                    at = each, transaction
                    await asyncio.create_task(self._handler(each.fact, transaction), context=each.context)
                    at = None
                    handled.append(each)
                    if slow := clock() - began > self._turn_seconds:
                        break
        except Exception as problem:  # noqa: BLE001  # handed to whoever brought the message
            self._put_out(group, at[0] if at and not at[1].writing else None, problem)
            return
        for each in handled:
            each.end()
        for each in repeats:
            each.end(Duplicate())
        self._waiting.extendleft(reversed(group[len(handled) + len(repeats) :]))
        self._size = len(handled) if slow else min(self._size * 2, self._most)

    def _put_out(self, group: list[_Waiting], at: _Waiting | None, problem: Exception) -> None:
        """Nothing has committed. Who failed by itself (`at`) is told, and the others are done again without it.

        Where nobody knows who it was, they are done one by one.
        """
        by_itself = at is not None and not contention(problem)
        if len(group) == 1 or infrastructure(problem) or isinstance(problem, InfrastructureDown):
            failed = group
        else:
            failed = [at] if at is not None and by_itself else []
        for each in failed:
            each.end(problem)
        self._waiting.extendleft(reversed([each for each in group if each not in failed]))
        self._size = max(self._size // 2, 1) if by_itself else 1

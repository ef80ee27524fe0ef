"""Handles what waits for one consumer together: one inbox statement and one commit for all of them.

Each message still succeeds or fails by itself. A group grows as long as it is quick, and is one message where the work
is slow.
"""

import asyncio
from collections import deque

from shared.consumers.batch import Group, Take, Waiting
from shared.consumers.pause_switch import Gate
from shared.events.envelope import Envelope
from shared.events.event import Event
from shared.transactions.unit_of_work import Transactions

TURN_SECONDS = 0.1
"""After this long a group commits what it has done; the rest waits for the next one."""
BUSY = 3
"""Wait LINGER for more only after a group of at least this many: a lone message is handled at once."""
LINGER = 0.002


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
        self._waiting: deque[Waiting] = deque()
        self._turns: set[asyncio.Task[None]] = set()
        self._overdue: asyncio.TimerHandle | None = None

    async def take(self, envelope: Envelope, fact: Event) -> None:
        """Return once the message's effects have committed; raises Duplicate, or whatever its handler raised."""
        mine = Waiting(envelope, fact)
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

    async def _turn(self, group: list[Waiting]) -> None:
        try:
            async with self._places:
                # Who waited for a place while the database went away does not ask it.
                await self._gate.passed()
                wanted = sorted((each for each in group if not each.outcome.done()), key=lambda each: each.order)
                if wanted:
                    await self._commit(wanted)
            if len(group) >= BUSY and len(self._waiting) < self._size:
                await asyncio.sleep(LINGER)
        except BaseException:
            for each in group:
                each.outcome.cancel()
            raise

    async def _commit(self, waiting: list[Waiting]) -> None:
        group = Group(waiting, self._handler, self._turn_seconds)
        try:
            causes = [each.envelope for each in waiting]
            async with self._transactions.handle(self._consumer, causes) as left:
                await group.handle(left)
        except Exception as problem:  # noqa: BLE001  # handed to whoever brought the message
            group.undone(problem)
            if not group.outcomes:  # nobody knows who it was: one by one
                self._size = 1
        else:
            self._size = max(len(group.outcomes), 1) if group.slow else min(self._size * 2, self._most)
        for each, outcome in group.outcomes.items():
            each.end(outcome)
        self._waiting.extendleft(each for each in reversed(waiting) if each not in group.outcomes)

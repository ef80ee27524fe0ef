"""Processes waiting messages of one consumer in batches: one inbox insert and one commit per batch.

Each message still succeeds or fails by itself. Batches grow while they are fast, and shrink to one message while the
work is slow.
"""

import asyncio
from collections import deque

from shared.consumers.batch import Batch, PendingMessage, ReactionHandler
from shared.consumers.pause_switch import PauseSwitch
from shared.events.envelope import Envelope
from shared.events.event import Event
from shared.transactions.unit_of_work import UnitOfWorkFactory

TURN_SECONDS = 0.1
"""After this time a batch commits the messages that it has handled; the others wait for the next batch."""
MOST_TURNS = 4
"""Batches of one consumer at once: a consumer with a backlog leaves connections of the process to the others."""
BUSY = 3
"""Wait LINGER seconds for more messages only after a batch of at least this size: a single message is not delayed."""
LINGER = 0.002


class MessageBatcher:
    """The handler of one consumer, and the messages that wait for it."""

    def __init__(
        self,
        consumer: str,
        handler: ReactionHandler,
        transactions: UnitOfWorkFactory,
        concurrency_limit: asyncio.Semaphore,
        gate: PauseSwitch,
        *,
        most: int,
        turn_seconds: float = TURN_SECONDS,
    ) -> None:
        """`concurrency_limit` bounds the transactions of this process; `most` is the largest size of a batch."""
        self._turn_seconds = turn_seconds
        self._consumer = consumer
        self._handler = handler
        self._transactions = transactions
        self._concurrency_limit = concurrency_limit
        self._gate = gate
        self._most = max(most, 1)
        self._size = self._most
        self._waiting: deque[PendingMessage] = deque()
        self._turns: set[asyncio.Task[None]] = set()
        self._overdue: asyncio.TimerHandle | None = None

    async def handle(self, envelope: Envelope, fact: Event) -> None:
        """Return after the message's effects have committed; raises Duplicate, or the error of its handler."""
        mine = PendingMessage(envelope, fact)
        self._waiting.append(mine)
        self._begin()
        await mine.outcome

    def _begin(self) -> None:
        """Start a batch if none is running or enough messages wait, as Nagle's algorithm does; else set a timer."""
        while self._may_begin() and (not self._turns or len(self._waiting) >= self._size):
            self._begin_one()
        if self._may_begin() and self._overdue is None:
            when = self._waiting[0].since + self._turn_seconds
            self._overdue = asyncio.get_running_loop().call_at(when, self._begin_anyway)

    def _begin_anyway(self) -> None:
        """Start another batch when the oldest message has waited `turn_seconds`, even if a batch is still running."""
        self._overdue = None
        if self._may_begin() and asyncio.get_running_loop().time() >= self._waiting[0].since + self._turn_seconds:
            self._begin_one()
        self._begin()

    def _may_begin(self) -> bool:
        return bool(self._waiting) and len(self._turns) < MOST_TURNS

    def _begin_one(self) -> None:
        group = [self._waiting.popleft()]
        while (
            self._waiting
            and len(group) < self._size
            and not (group[0].fact.runs_alone or self._waiting[0].fact.runs_alone)
        ):
            group.append(self._waiting.popleft())
        turn = asyncio.create_task(self._turn(group))
        self._turns.add(turn)
        turn.add_done_callback(self._ended)

    def _ended(self, turn: asyncio.Task[None]) -> None:
        self._turns.discard(turn)
        self._begin()

    async def _turn(self, group: list[PendingMessage]) -> None:
        try:
            async with self._concurrency_limit:
                # The database may have become unavailable while this batch waited for the limit.
                await self._gate.wait_open()
                wanted = sorted((each for each in group if not each.outcome.done()), key=lambda each: each.order)
                if wanted:
                    await self._commit(wanted)
            if len(group) >= BUSY and len(self._waiting) < self._size:
                await asyncio.sleep(LINGER)
        except BaseException:
            for each in group:
                each.outcome.cancel()
            raise

    async def _commit(self, waiting: list[PendingMessage]) -> None:
        group = Batch(waiting, self._handler, self._turn_seconds)
        try:
            causes = [each.envelope for each in waiting]
            async with self._transactions.handle(self._consumer, causes) as left:
                await group.handle(left)
        except Exception as problem:  # noqa: BLE001  # handed to the callers that wait for the messages
            group.rolled_back(problem)
            if not group.outcomes:  # the cause is unknown: handle the messages one by one
                self._size = 1
        else:
            self._size = max(len(group.outcomes), 1) if group.slow else min(self._size * 2, self._most)
        for each, outcome in group.outcomes.items():
            each.finish(outcome)
        self._waiting.extendleft(each for each in reversed(waiting) if each not in group.outcomes)

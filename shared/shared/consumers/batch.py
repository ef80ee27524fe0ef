"""Messages of one consumer in one commit: each is handled, and who fails is set aside without the others' work."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from shared.events.envelope import Envelope
from shared.events.event import Event
from shared.persistence.database_errors import away, contention
from shared.transactions.buffered_transaction import Commit
from shared.transactions.unit_of_work import Duplicate, Transaction

Take = Callable[[Event, Transaction], Coroutine[Any, Any, None]]

STRIDE = 10
"""Messages that have run statements between two savepoints of a group."""


@dataclass(eq=False, slots=True)
class Waiting:
    """A message in hand, and where to say what became of it."""

    envelope: Envelope
    fact: Event
    context: Context = field(default_factory=copy_context)
    outcome: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    since: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    @property
    def order(self) -> tuple[str, str]:
        """Groups that touch the same rows touch them in the same order, so that they do not wait in a circle."""
        return str(self.envelope.school_id), self.envelope.subject

    def end(self, problem: Exception | None = None) -> None:
        """Whoever was to be told may have been cancelled."""
        if self.outcome.done():
            return
        if problem is None:
            self.outcome.set_result(None)
        else:
            self.outcome.set_exception(problem)


class Group:
    """Messages that commit together; one that fails leaves nothing behind, and takes little of the others' work along.

    Had it run no statement yet, it is simply forgotten; had it failed before, it was given a savepoint of its own. Else
    those since the last savepoint are handled again, or all of them where there is none yet.
    """

    def __init__(self, members: list[Waiting], take: Take, limit: float) -> None:
        """`limit`: seconds after which the rest waits for another group."""
        self.members = members
        self.outcomes: dict[Waiting, Exception | None] = {}
        """None for who was handled; who is missing has to be handled again."""
        self.slow = False
        self._failing: Waiting | None = None
        """Who failed by itself, when nothing can be kept."""
        self._take = take
        self._limit = limit
        self._todo = deque(members)
        self._left: dict[UUID, Transaction] = {}
        self._since: list[tuple[Waiting, Transaction]] = []
        """Who was handled since the savepoint."""

    async def handle(self, left: dict[UUID, Transaction]) -> None:
        """Handle all, or as many as there is time for; raises what leaves nothing to keep.

        A message that was not handled stays in `left`: it failed, or there was no time.
        """
        # The handlers' time alone: a busy database is no reason for more commits.
        clock = asyncio.get_running_loop().time
        began = clock()
        self._left = left
        failed = {}
        while self._todo and not self.slow:
            each = self._todo.popleft()
            transaction = left.pop(each.envelope.id, None)
            if transaction is None:
                self.outcomes[each] = Duplicate()
                continue
            problem = await self._handle(each, transaction)
            if problem is None:
                self._since.append((each, transaction))
            else:
                failed[each.envelope.id] = transaction
            self.outcomes[each] = problem
            self.slow = clock() - began > self._limit
        left |= failed

    def undone(self, problem: Exception) -> None:
        """Nothing has committed: who failed by itself is told, all are where nobody is at fault, else nobody is."""
        if len(self.members) == 1 or away(problem):
            self.outcomes = dict.fromkeys(self.members, problem)
        else:
            self.outcomes = {self._failing: problem} if self._failing is not None else {}

    async def _handle(self, each: Waiting, transaction: Transaction) -> Exception | None:
        """Returns a failure that has left nothing behind; raises one after which nothing can be kept."""
        commit, alone = transaction.part_of, len(self.members) == 1
        suspect = each.envelope.attempt > 0 and not alone
        if suspect or (len(self._since) >= STRIDE and commit.exposed):
            await commit.save()
            self._since.clear()
        mark = commit.mark()
        try:
            await asyncio.create_task(self._take(each.fact, transaction), context=each.context)
            if suspect:
                await commit.write()
            commit.check()
        except Exception as problem:
            its_own = not (contention(problem) or away(problem) or (commit.writing and not suspect))
            if its_own and not alone and (commit.take_back(mark) or await self._back(commit)):
                return problem
            self._failing = each if its_own else None
            raise
        return None

    async def _back(self, commit: Commit) -> bool:
        """Undo what was done since the savepoint; False if there is none."""
        if not await commit.back():
            return False
        for each, transaction in reversed(self._since):
            self._left[each.envelope.id] = transaction
            del self.outcomes[each]
            self._todo.appendleft(each)
        self._since.clear()
        return True

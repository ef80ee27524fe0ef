"""Handles several messages of one consumer in one commit; a message that fails does not undo the others."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from shared.events.envelope import Envelope
from shared.events.event import Event
from shared.persistence.database_errors import is_contention, is_unavailable
from shared.transactions.buffered_transaction import BufferedTransaction
from shared.transactions.unit_of_work import Duplicate, UnitOfWork

ReactionHandler = Callable[[Event, UnitOfWork], Coroutine[Any, Any, None]]

SAVEPOINT_STRIDE = 10
"""Messages with statements between two savepoints of a batch."""


@dataclass(eq=False, slots=True)
class PendingMessage:
    """A message that waits for a batch, and the future that receives its outcome."""

    envelope: Envelope
    fact: Event
    context: Context = field(default_factory=copy_context)
    outcome: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    since: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    @property
    def order(self) -> tuple[str, str]:
        """Sort key: all batches use the same order of rows, so that they cannot deadlock."""
        return str(self.envelope.school_id), self.envelope.subject

    def finish(self, problem: Exception | None = None) -> None:
        """Set the outcome, unless the waiting caller was cancelled."""
        if self.outcome.done():
            return
        if problem is None:
            self.outcome.set_result(None)
        else:
            self.outcome.set_exception(problem)


class Batch:
    """Messages that commit together. A message that fails leaves nothing behind and undoes little work of the others.

    If its handler ran no statement, its buffered writes are dropped. If it has failed before, it has a savepoint of its
    own. Otherwise the messages since the last savepoint are handled again; without a savepoint the batch rolls back.
    """

    def __init__(self, members: list[PendingMessage], take: ReactionHandler, limit: float) -> None:
        """`limit`: seconds after which the remaining messages wait for another batch."""
        self.members = members
        self.outcomes: dict[PendingMessage, Exception | None] = {}
        """None for a handled message. A message without an entry has to be handled again."""
        self.slow = False
        self._failing: PendingMessage | None = None
        """The message that made the batch roll back, if known."""
        self._take = take
        self._limit = limit
        self._todo = deque(members)
        self._left: dict[UUID, UnitOfWork] = {}
        self._since: list[tuple[PendingMessage, UnitOfWork]] = []
        """The messages that were handled since the savepoint."""

    async def handle(self, left: dict[UUID, UnitOfWork]) -> None:
        """Handle all messages, or as many as the time allows; raises an error that makes the batch roll back.

        Handled messages are removed from `left`. A message that failed, or for which there was no time, remains.
        """
        # Only the time of the handlers counts: a slow database is no reason for smaller batches.
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

    def rolled_back(self, problem: Exception) -> None:
        """Set the outcomes after a rollback: the error belongs to the message that caused it, or to all in an outage.

        If the cause is unknown, no message has an outcome.
        """
        if len(self.members) == 1 or is_unavailable(problem):
            self.outcomes = dict.fromkeys(self.members, problem)
        else:
            self.outcomes = {self._failing: problem} if self._failing is not None else {}

    async def _handle(self, each: PendingMessage, transaction: UnitOfWork) -> Exception | None:
        """Handle one message. Returns an error whose effects are undone; raises one that makes the batch roll back."""
        commit, alone = transaction.buffered, len(self.members) == 1
        suspect = each.envelope.attempt > 0 and not alone
        if suspect or (len(self._since) >= SAVEPOINT_STRIDE and commit.has_run_statements):
            await commit.set_savepoint()
            self._since.clear()
        point = commit.checkpoint()
        transaction.began = time.monotonic()
        try:
            await asyncio.create_task(self._take(each.fact, transaction), context=each.context)
            if suspect:
                await commit.write()
            commit.check()
        except Exception as problem:
            its_own = not (is_contention(problem) or is_unavailable(problem) or (commit.writing and not suspect))
            if its_own and not alone and (commit.discard_since(point) or await self._redo_since_savepoint(commit)):
                return problem
            self._failing = each if its_own else None
            raise
        return None

    async def _redo_since_savepoint(self, commit: BufferedTransaction) -> bool:
        """Roll back to the savepoint and handle the messages since then again; False without a savepoint."""
        if not await commit.roll_back_to_savepoint():
            return False
        for each, transaction in reversed(self._since):
            self._left[each.envelope.id] = transaction
            del self.outcomes[each]
            self._todo.appendleft(each)
        self._since.clear()
        return True

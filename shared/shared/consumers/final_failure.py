"""Reports a message that fails for good to its service, so that what a person asked for has an end."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from pydantic import BaseModel

from shared.error_report import fingerprint
from shared.errors import NotUnderstood, Reject, Retry
from shared.events.envelope import Envelope
from shared.messaging.subscriber import Message
from shared.persistence.database_errors import is_unavailable
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class FinalFailure:
    """A message that failed for good: nothing that it asked for has happened.

    `content` is its event or permit; None where it cannot be read, or where reporting it with its content failed.
    """

    envelope: Envelope
    content: BaseModel | None
    reason: str
    """In words for the people who asked."""


OnFinalFailure = Callable[[FinalFailure, UnitOfWork], Awaitable[None]]
ReadContent = Callable[[Envelope, bytes], Awaitable[BaseModel]]


def reason_of(queue: str, problem: BaseException) -> str:
    """Say why a message failed: a reason that is meant for people as it is, any other error by its fingerprint."""
    if isinstance(problem, Reject | Retry):
        return str(problem)
    return f"an error of the system, which the operators find among the dead letters as {fingerprint(queue, problem)}"


class FinalFailureReporter:
    """Calls a service's function for one queue, in a transaction of its own."""

    def __init__(
        self,
        queue: str,
        read: ReadContent,
        transactions: UnitOfWorkFactory,
        registered: dict[str, OnFinalFailure],
    ) -> None:
        """`registered`: type of message → function; a message of any other type is not reported."""
        self._queue = queue
        self._read = read
        self._transactions = transactions
        self._registered = registered

    async def report(self, message: Message, problem: BaseException) -> None:
        """Report a message; an outage is raised, any other error is logged: the dead letter must not wait for it."""
        try:
            envelope = Envelope.read(message.headers)
        except NotUnderstood:
            return
        function = self._registered.get(envelope.type)
        if function is None:
            return
        reason = reason_of(self._queue, problem)
        content = await self._content(envelope, message)
        if await self._call(function, FinalFailure(envelope, content, reason)) or content is None:
            return
        # Perhaps it is the content that cannot be stored.
        await self._call(function, FinalFailure(envelope, None, reason))

    async def _content(self, envelope: Envelope, message: Message) -> BaseModel | None:
        try:
            return await self._read(envelope, message.body)
        except Exception as problem:
            if is_unavailable(problem):
                raise
            log.info("final_failure.not_readable", error=type(problem).__name__)
            return None

    async def _call(self, function: OnFinalFailure, failure: FinalFailure) -> bool:
        try:
            async with self._transactions.begin(failure.envelope) as tx:
                await function(failure, tx)
        except Exception as problem:
            if is_unavailable(problem):
                raise
            log.exception("final_failure.not_reported", with_content=failure.content is not None)
            return False
        return True

"""Answers about failures, and the statements that select them. None shows a body or a header of a message."""

import datetime as dt
from typing import Literal
from uuid import UUID

from pydantic import BaseModel
from sqlmodel import case, col, func

from gateway.tables import FailureRow, FailureShown
from shared.persistence.query import Query, given, showing

FailureState = Literal["open", "given_back", "resolved", "discarded"]


class Failure(FailureShown):
    """One dead letter, without its body: `fingerprint` is the same for the same fault of the same consumer.

    `deaths` counts how often it has died. `open` waits for an operator's decision; `given_back` is on its way through
    its queue; `resolved` was handled after that.
    """

    id: int
    state: FailureState
    service: str


class FailurePage(BaseModel):
    """Newest first; pass `next` as `after` to go on."""

    items: list[Failure]
    next: int | None


class FailureGroup(BaseModel):
    """Open failures with the same fault of the same consumer; `sample` is the newest of them.

    `first_failed` and `last_failed` are of the fault, as long as it has open failures: of those that were closed, too.
    """

    service: str
    handler: str
    """What of the service failed: the topic of a reaction, the lane of work, or the name of a projection."""
    queue: str
    fingerprint: str
    count: int
    first_failed: dt.datetime
    last_failed: dt.datetime
    sample: Failure


class FailureGroups(BaseModel):
    """The largest groups first. A retry or discard names `seen_until` and the count of its group."""

    seen_until: dt.datetime
    count: int
    """All open failures of the filter."""
    items: list[FailureGroup]


STATE = case(
    (col(FailureRow.discarded_at).is_not(None), "discarded"),
    (col(FailureRow.resolved_at).is_not(None), "resolved"),
    (col(FailureRow.given_back_at).is_not(None), "given_back"),
    else_="open",
)
SERVICE = func.split_part(FailureRow.queue, ".", 1)
SHOWN = showing(Failure, FailureRow, id=FailureRow.failure_id, state=STATE, service=SERVICE)

READ_FAILURE = Query(Failure, SHOWN.where(col(FailureRow.failure_id) == given("id")))
LIST_FAILURES = Query(
    Failure,
    SHOWN.order_by(col(FailureRow.failure_id).desc()).limit(given("limit")),
    after=col(FailureRow.failure_id) < given("after"),
    state=given("state") == STATE,
    service=given("service") == SERVICE,
    queue=col(FailureRow.queue) == given("queue"),
    fingerprint=col(FailureRow.fingerprint) == given("fingerprint"),
    type=col(FailureRow.type) == given("type"),
    school=col(FailureRow.school_id) == given("school"),
)
"""Newest first."""
FIND_FAILURES = Query(Failure, SHOWN.where(col(FailureRow.failure_id) == func.any(given("ids"))))
"""By their numbers."""


class Discarded(BaseModel):
    """How many failures a discard has closed."""

    discarded: int


class RetryAccepted(BaseModel):
    """A retry that has begun; `task_id` shows its progress and, at its end, what came of each member."""

    task_id: UUID
    state: Literal["accepted"] = "accepted"
    count: int

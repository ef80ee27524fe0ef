"""Routes that report which people a notification reached, and why one person did or did not receive it."""

import datetime as dt
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from notifier.explain import sql
from notifier.explain.explain import explain
from notifier.tables import EscalationShown
from shared.http.internal_auth import InternalCaller, internal_caller, transactions
from shared.http.preconditions import DecisionRefused
from shared.transactions.unit_of_work import UnitOfWorkFactory

router = APIRouter(prefix="/v1", tags=["notifications"])

State = Literal["open", "reached", "missed", "stopped"]


class AskedPerson(BaseModel):
    """A person who was asked, the step at which, and when they read it."""

    person_id: UUID
    step: str
    asked_at: dt.datetime
    read_at: dt.datetime | None


class Case(EscalationShown):
    """One student (or person) about whom a person must be reached. `missed`: no person read it in time."""

    asked: list[AskedPerson]


class Reach(BaseModel):
    """`people` have it in their inboxes, `read` of them have read it; cases are counted by state and listed."""

    must_reach: bool
    people: int
    read: int
    open: int
    reached: int
    missed: int
    stopped: int
    cases: list[Case]
    next: UUID | None


@router.get("/notifications/{notification_id}/reach")
async def read_reach(
    notification_id: UUID,
    who: Annotated[InternalCaller, Depends(internal_caller)],
    database: Annotated[UnitOfWorkFactory, Depends(transactions)],
    state: State | None = None,
    after: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
) -> Reach:
    """Report which people were reached; `state=missed` lists the cases in which no person was."""
    values = {"notification_id": notification_id, "state": state, "after": after, "limit": limit + 1}
    async with database.request(who.school) as tx:
        summary = await tx.row(sql.COUNT_REACH, values)
        if summary is None:
            raise DecisionRefused(404, "not_found")
        rows = await tx.rows(sql.SELECT_CASES, values)
    cases = [Case(**row) for row in rows[:limit]]
    return Reach(**summary, cases=cases, next=cases[-1].about if len(rows) > limit else None)


class Why(BaseModel):
    """`verdict`: read, sent, perhaps (the provider did not answer), open, not_sent; `because` says why.

    Each entry of `timeline` has `at`, `what` (a code), `text` (a sentence), and facts such as channel and reason.
    """

    notification_id: UUID
    person: UUID
    verdict: Literal["read", "sent", "perhaps", "open", "not_sent"]
    because: str
    timeline: list[dict[str, Any]]


@router.get("/notifications/{notification_id}/why/{person}")
async def read_why(
    notification_id: UUID,
    person: UUID,
    who: Annotated[InternalCaller, Depends(internal_caller)],
    database: Annotated[UnitOfWorkFactory, Depends(transactions)],
) -> Why:
    """Explain why the person did or did not receive it."""
    async with database.request(who.school) as tx:
        found = await explain(tx, notification_id, person)
    if found is None:
        raise DecisionRefused(404, "not_found")
    return Why(**found)

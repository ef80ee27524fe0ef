"""Who was reached and who was not, and why one person did or did not get it."""

import datetime as dt
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from notifier.explain import explain
from shared.http.internal_auth import Asked, asked, transactions
from shared.http.preconditions import Declined
from shared.transactions.unit_of_work import Transactions

router = APIRouter(prefix="/v1", tags=["notifications"])

State = Literal["open", "reached", "missed", "stopped"]

SUMMARY = """
SELECT n.escalation IS NOT NULL AS must_reach,
    (SELECT count(*) FROM inbox_item i
      WHERE i.notification_id = n.notification_id AND i.withdrawn_at IS NULL) AS people,
    (SELECT count(*) FROM inbox_item i WHERE i.notification_id = n.notification_id AND i.read_at IS NOT NULL) AS read,
    count(e.about) FILTER (WHERE e.state = 'open') AS open,
    count(e.about) FILTER (WHERE e.state = 'reached') AS reached,
    count(e.about) FILTER (WHERE e.state = 'missed') AS missed,
    count(e.about) FILTER (WHERE e.state = 'stopped') AS stopped
FROM notification n LEFT JOIN escalation e USING (notification_id)
WHERE n.notification_id = %(notification_id)s GROUP BY n.notification_id
"""
CASES = """
SELECT e.about, e.state, e.due_at, e.deadline, e.reached_by, e.ended_at,
    (SELECT coalesce(jsonb_agg(jsonb_build_object(
                'person_id', p.person_id, 'step', p.step, 'asked_at', p.asked_at,
                'read_at', (SELECT min(i.read_at) FROM inbox_item i JOIN notification m USING (notification_id)
                             WHERE i.person_id = p.person_id AND i.notification_id IN (
                                 SELECT c.notification_id FROM notification c
                                 WHERE c.notification_id = e.notification_id OR c.escalates = e.notification_id)))
            ORDER BY p.asked_at, p.person_id), '[]')
       FROM escalation_person p WHERE p.notification_id = e.notification_id AND p.about = e.about) AS asked
FROM escalation e
WHERE e.notification_id = %(notification_id)s AND (%(state)s::text IS NULL OR e.state = %(state)s)
  AND (%(after)s::uuid IS NULL OR e.about > %(after)s)
ORDER BY e.about LIMIT %(limit)s
"""


class AskedPerson(BaseModel):
    """Somebody who was asked, at which step, and when they read it."""

    person_id: UUID
    step: str
    asked_at: dt.datetime
    read_at: dt.datetime | None


class Case(BaseModel):
    """One student (or person) about whom somebody must be reached. `missed`: nobody was, in time."""

    about: UUID
    state: State
    due_at: dt.datetime
    deadline: dt.datetime | None
    reached_by: UUID | None
    ended_at: dt.datetime | None
    asked: list[AskedPerson]


class Reach(BaseModel):
    """`people` have it in their inboxes, `read` of them have read it; cases by state, a page of them by `about`."""

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
    who: Annotated[Asked, Depends(asked)],
    database: Annotated[Transactions, Depends(transactions)],
    state: State | None = None,
    after: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
) -> Reach:
    """Who was reached; with `state=missed`, about whom nobody was."""
    values = {"notification_id": notification_id, "state": state, "after": after, "limit": limit + 1}
    async with database.request(who.school) as tx:
        summary = await tx.row(SUMMARY, values)
        if summary is None:
            raise Declined(404, "not_found")
        rows = await tx.rows(CASES, values)
    cases = [Case(**row) for row in rows[:limit]]
    return Reach(**summary, cases=cases, next=cases[-1].about if len(rows) > limit else None)


class Why(BaseModel):
    """`verdict`: read, told, perhaps (no answer came), open, not_told; `because` says why, `timeline` says how.

    Each moment has `at`, `what` (a code), `text` (a sentence), and facts such as channel, outcome and reason.
    """

    notification_id: UUID
    person: UUID
    verdict: Literal["read", "told", "perhaps", "open", "not_told"]
    because: str
    timeline: list[dict[str, Any]]


@router.get("/notifications/{notification_id}/why/{person}")
async def read_why(
    notification_id: UUID,
    person: UUID,
    who: Annotated[Asked, Depends(asked)],
    database: Annotated[Transactions, Depends(transactions)],
) -> Why:
    """Why the person did or did not get it, negatives included."""
    async with database.request(who.school) as tx:
        found = await explain.explain(tx, notification_id, person)
    if found is None:
        raise Declined(404, "not_found")
    return Why(**found)

"""Routes of a person's own inbox."""

import datetime as dt
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from notifier.inbox import inbox
from shared.http.internal_auth import InternalCaller, internal_caller, transactions
from shared.http.preconditions import DecisionRefused
from shared.transactions.unit_of_work import UnitOfWorkFactory

router = APIRouter(prefix="/v1/inbox", tags=["inbox"])

Who = Annotated[InternalCaller, Depends(internal_caller)]
Rows = Annotated[UnitOfWorkFactory, Depends(transactions)]


class InboxItem(BaseModel):
    """One item, in `language` (null: in the language of its sender, which is unknown).

    `must_reach`: further people are asked until one of them reads it.
    """

    item_id: int
    notification_id: UUID
    kind: str
    title: str
    body: str
    language: str | None
    urgent: bool
    correction: bool
    must_reach: bool
    data: dict[str, str]
    created_at: dt.datetime
    read_at: dt.datetime | None
    acknowledged_at: dt.datetime | None


class InboxPage(BaseModel):
    """Newest first; pass `next` as `after` to continue, it is null on the last page. `unread` counts all items."""

    items: list[InboxItem]
    next: int | None
    unread: int


class Unread(BaseModel):
    """The number of unread items."""

    unread: int


class ReadAll(BaseModel):
    """The newest item that the app has shown; without it, all items are marked."""

    model_config = ConfigDict(extra="forbid")

    up_to: int | None = Field(default=None, ge=1)


async def _person(who: Who) -> UUID:
    if who.person is None:
        raise DecisionRefused(404, "not_found", "This token does not belong to a person. Only people have inboxes.")
    return who.person


Person = Annotated[UUID, Depends(_person)]


@router.get("")
async def read_inbox(
    who: Who,
    person: Person,
    database: Rows,
    *,
    after: Annotated[int | None, Query(ge=1)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    unread: bool = False,
) -> InboxPage:
    """List the person's items at this school, newest first; `unread` lists only unread ones."""
    async with database.request(who.school) as tx:
        values = {"person": person, "after": after, "limit": limit + 1, "unread": unread}
        rows = await tx.rows(inbox.SELECT_ITEMS, values)
        left = await inbox.count_unread(tx, person)
    items = [InboxItem(**row) for row in rows[:limit]]
    return InboxPage(items=items, next=items[-1].item_id if len(rows) > limit else None, unread=left)


@router.get("/unread")
async def count_unread(who: Who, person: Person, database: Rows) -> Unread:
    """Count the items that the person has not read."""
    async with database.request(who.school) as tx:
        return Unread(unread=await inbox.count_unread(tx, person))


@router.post("/read")
async def read_everything(body: ReadAll, who: Who, person: Person, database: Rows) -> Unread:
    """Mark items read up to one, at most a thousand, the oldest first; repeat the request while `unread` is not 0."""
    async with database.request(who.school) as tx:
        return Unread(unread=await inbox.mark_all_read(tx, person, body.up_to))


@router.post("/{notification_id}/read")
async def read_one(notification_id: UUID, who: Who, person: Person, database: Rows) -> Unread:
    """Mark one item read."""
    return await _mark_read(who, person, database, notification_id, acknowledged=False)


@router.post("/{notification_id}/acknowledge")
async def acknowledge(notification_id: UUID, who: Who, person: Person, database: Rows) -> Unread:
    """Acknowledge one item; this marks it read, too."""
    return await _mark_read(who, person, database, notification_id, acknowledged=True)


async def _mark_read(
    who: InternalCaller, person: UUID, database: UnitOfWorkFactory, notification_id: UUID, *, acknowledged: bool
) -> Unread:
    async with database.request(who.school) as tx:
        if not await inbox.mark_read(tx, person, notification_id, acknowledged=acknowledged):
            raise DecisionRefused(404, "not_found")
        return Unread(unread=await inbox.count_unread(tx, person))

"""A person's own inbox."""

import datetime as dt
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from notifier.inbox import inbox
from shared.http.internal_auth import Asked, asked, transactions
from shared.http.preconditions import Declined
from shared.transactions.unit_of_work import Transactions

router = APIRouter(prefix="/v1/inbox", tags=["inbox"])

Who = Annotated[Asked, Depends(asked)]
Rows = Annotated[Transactions, Depends(transactions)]


class InboxItem(BaseModel):
    """One thing that a person was told, in `language` (null: in whatever language its sender wrote).

    `must_reach`: others will be asked until somebody reads it.
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
    """Newest first; pass `next` as `after` to go on, it is null on the last page. `unread` counts everything."""

    items: list[InboxItem]
    next: int | None
    unread: int


class Unread(BaseModel):
    """How many items are unread."""

    unread: int


class ReadAll(BaseModel):
    """The newest item that the app has shown; without it, everything."""

    model_config = ConfigDict(extra="forbid")

    up_to: int | None = Field(default=None, ge=1)


async def _person(who: Who) -> UUID:
    if who.person is None:
        raise Declined(404, "not_found", "This token is of no person, and only people have inboxes.")
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
    """What the person was told at this school, newest first; with `unread`, only what they have not read."""
    async with database.request(who.school) as tx:
        values = {"person": person, "after": after, "limit": limit + 1, "unread": unread}
        rows = await tx.rows(inbox.PAGE, values)
        left = await inbox.unread(tx, person)
    items = [InboxItem(**row) for row in rows[:limit]]
    return InboxPage(items=items, next=items[-1].item_id if len(rows) > limit else None, unread=left)


@router.get("/unread")
async def count_unread(who: Who, person: Person, database: Rows) -> Unread:
    """How many items the person has not read."""
    async with database.request(who.school) as tx:
        return Unread(unread=await inbox.unread(tx, person))


@router.post("/read")
async def read_everything(body: ReadAll, who: Who, person: Person, database: Rows) -> Unread:
    """Mark everything read up to an item; of very many the oldest thousand, then `unread` says to ask again."""
    async with database.request(who.school) as tx:
        return Unread(unread=await inbox.read_all(tx, person, body.up_to))


@router.post("/{notification_id}/read")
async def read_one(notification_id: UUID, who: Who, person: Person, database: Rows) -> Unread:
    """Mark one item read."""
    return await _read(who, person, database, notification_id, acknowledged=False)


@router.post("/{notification_id}/acknowledge")
async def acknowledge(notification_id: UUID, who: Who, person: Person, database: Rows) -> Unread:
    """Say that one item has been understood; it is read then, too."""
    return await _read(who, person, database, notification_id, acknowledged=True)


async def _read(
    who: Asked, person: UUID, database: Transactions, notification_id: UUID, *, acknowledged: bool
) -> Unread:
    async with database.request(who.school) as tx:
        if not await inbox.read(tx, person, notification_id, acknowledged=acknowledged):
            raise Declined(404, "not_found")
        return Unread(unread=await inbox.unread(tx, person))

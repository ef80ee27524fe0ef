"""A dry run: whom a notification would reach, by the very statements that plan it."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from notifier.planning import sql as planning_sql
from shared.events import Audience
from shared.events.values import Channel, Kind
from shared.http.internal_auth import Asked, asked, transactions
from shared.transactions.unit_of_work import Transactions

router = APIRouter(prefix="/v1", tags=["notifications"])

NAMED = 100
NOBODY_YET = UUID(int=0)


class PreviewIn(BaseModel):
    """A notification as far as it decides who is reached."""

    audience: Audience
    kind: Kind
    channels: tuple[Channel, ...]
    urgent: bool = False


class ChannelPreview(BaseModel):
    """`deliveries` will be made, `held` of them after quiet hours; `suppressed` counts the others by reason.

    `languages` counts people by the language that they will read.
    """

    deliveries: int = 0
    people: int = 0
    held: int = 0
    languages: dict[str, int] = {}
    suppressed: dict[str, int] = {}


class Unreachable(BaseModel):
    """Somebody whom no channel would reach, and why: `channel: reason`."""

    person_id: UUID
    reasons: list[str]


class Preview(BaseModel):
    """`people` are meant; `unreachable` of them by no channel, the first of them named."""

    people: int
    channels: dict[str, ChannelPreview]
    unreachable: int
    unreachable_people: list[Unreachable]


@router.post("/notifications:preview")
async def preview(
    body: PreviewIn,
    who: Annotated[Asked, Depends(asked)],
    database: Annotated[Transactions, Depends(transactions)],
) -> Preview:
    """What would be planned now, without planning it."""
    as_planned: dict[str, Any] = {
        "notification_id": NOBODY_YET,
        "school_id": who.school,
        "kind": body.kind,
        "urgent": body.urgent,
        "expires_at": None,
        "group_id": None,
        "round": 1,
        "channels": list(body.channels),
        "audience": body.audience.model_dump(mode="json"),
        "escalation": None,
        "origin_version": 0,
    }
    async with database.request(who.school) as tx:
        counts, nobody, people = await planning_sql.preview(tx, as_planned, NAMED)
    channels: dict[str, ChannelPreview] = {channel: ChannelPreview() for channel in body.channels}
    for row in counts:
        found = channels[row["channel"]]
        if row["reason"] is not None:
            found.suppressed[row["reason"]] = found.suppressed.get(row["reason"], 0) + row["deliveries"]
            continue
        found.deliveries += row["deliveries"]
        found.people += row["people"]
        found.held += row["deliveries"] if row["held"] else 0
        found.languages[row["language"]] = found.languages.get(row["language"], 0) + row["people"]
    return Preview(
        people=people,
        channels=channels,
        unreachable=nobody[0]["total"] if nobody else 0,
        unreachable_people=[Unreachable(person_id=row["person_id"], reasons=row["reasons"]) for row in nobody],
    )

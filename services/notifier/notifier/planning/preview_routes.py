"""Route of a preview: the people whom a notification would reach, found by the statements that plan it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from notifier.audience import sql as audience
from notifier.planning import planner, sql
from shared.events import Audience
from shared.events.notifications import CANARY_LIMIT
from shared.events.values import Channel, Kind
from shared.http.internal_auth import InternalCaller, internal_caller, transactions
from shared.transactions.unit_of_work import UnitOfWorkFactory

router = APIRouter(prefix="/v1", tags=["notifications"])

MAX_NAMED = 100


class PreviewIn(BaseModel):
    """The parts of a notification that decide which people it reaches, and how many of them to draw at random."""

    audience: Audience
    kind: Kind
    channels: tuple[Channel, ...]
    urgent: bool = False
    draw: int = Field(default=0, ge=0, le=CANARY_LIMIT)


class ChannelPreview(BaseModel):
    """`deliveries` would be made, `held` of them after quiet hours; `suppressed` counts the others by reason.

    `languages` counts people by the language of their text.
    """

    deliveries: int = 0
    people: int = 0
    held: int = 0
    languages: dict[str, int] = {}
    suppressed: dict[str, int] = {}


class Unreachable(BaseModel):
    """A person whom no channel would reach; each reason is `channel: reason`."""

    person_id: UUID
    reasons: list[str]


class Preview(BaseModel):
    """`people` are in the audience; no channel reaches `unreachable` of them, the first of whom are named.

    `drawn` can be reached: those whom push or mail reaches now come first. A further preview draws others.
    """

    people: int
    channels: dict[str, ChannelPreview]
    unreachable: int
    unreachable_people: list[Unreachable]
    drawn: list[UUID] = []


@router.post("/notifications:preview")
async def preview(
    body: PreviewIn,
    who: Annotated[InternalCaller, Depends(internal_caller)],
    database: Annotated[UnitOfWorkFactory, Depends(transactions)],
) -> Preview:
    """Count what would be planned now, without planning it."""
    values = (
        audience.values(who.school, body.audience.model_dump(mode="json"))
        | planner.recipient_values(body.kind, body.channels, urgent=body.urgent)
        | {"limit": MAX_NAMED, "draw": body.draw}
    )
    async with database.request(who.school) as tx:
        (people,) = await tx.rows(sql.COUNT_AUDIENCE, values)
        counts = await tx.rows(sql.COUNT_RECIPIENTS, values)
        unreachable = await tx.rows(sql.SELECT_UNREACHABLE, values)
        drawn = await tx.rows(sql.DRAW_REACHABLE, values) if body.draw else []
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
        people=people["n"],
        channels=channels,
        unreachable=unreachable[0]["total"] if unreachable else 0,
        unreachable_people=[Unreachable(person_id=row["person_id"], reasons=row["reasons"]) for row in unreachable],
        drawn=[row["person_id"] for row in drawn],
    )

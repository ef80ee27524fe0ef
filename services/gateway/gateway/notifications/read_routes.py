"""`/v1/notifications`: previews, and the state of notifications."""

from collections.abc import Sequence
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.http.dependencies import Rows, Services, one_school, school_of, seen_by
from gateway.http.fields import Limit, SchoolName, State, Strict, Wanted
from gateway.http.guarded_route import GuardedRoute
from gateway.http.json_types import WHOLE, Flag, Instant
from gateway.http.service_client import ServiceClients
from gateway.notifications.canary_parts import parts_of
from gateway.problems import Problem
from gateway.schedules.schemas import OnDay, ScheduleInput
from gateway.security.access_control import STAFF, allow
from gateway.security.caller import Caller, CurrentCaller
from gateway.sends import audience_checks
from gateway.sends.audience import AudienceIn, audience_of
from gateway.sends.schemas import MessageIn
from shared.events import Audience
from shared.events.notifications import CANARY_LIMIT
from shared.events.values import Channel, Kind

router = APIRouter(prefix="/v1", tags=["notifications"], route_class=GuardedRoute)


# Select task and school of a notification.
SELECT_INTENT = "SELECT task_id, school_id FROM intent WHERE notification_id = %(id)s"


class CanaryIn(Strict):
    """So many people of the audience, drawn at random from those who can be reached, receive it first.

    All others receive it `after_minutes` minutes later, unless it is stopped.
    """

    count: Annotated[int, Field(ge=1, le=CANARY_LIMIT), WHOLE] = 5
    after_minutes: Annotated[int, Field(ge=1, le=1440), WHOLE] = 15


class NotificationIn(MessageIn, ScheduleInput):
    """A notification to send, its audience, and its time; with `canary` a few people receive it first."""

    model_config = ConfigDict(extra="forbid")

    school: SchoolName | None = None
    schools: list[SchoolName] | None = Field(default=None, min_length=1, max_length=500)
    type: Kind
    audience: AudienceIn
    channels: list[Channel] = Field(default=["push", "mail", "inbox"], min_length=1)
    urgent: Flag = False
    expires_at: Instant | None = None
    canary: CanaryIn | None = None

    @model_validator(mode="after")
    def canary_of_one_send(self) -> Self:
        """Refuse a canary of a repeat, of several schools, of a day of the calendar, and of an escalation."""
        later = isinstance(self.deliver_at, OnDay)
        if self.canary and (self.schools is not None or self.repeat is not None or later or self.escalation):
            msg = "with canary: no schools, no repeat, no escalation, and deliver_at as a time"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def several_schools_at_once(self) -> Self:
        """Refuse ids and local times in a send to several schools: they belong to one school."""
        audience = self.audience
        if self.schools is not None and (
            self.school is not None or self.rule is not None or not (audience.school or audience.grade)
        ):
            msg = "with schools: no school, no deliver_at or repeat, and an audience of school or grade"
            raise ValueError(msg)
        return self


class PreviewIn(BaseModel):
    """The fields of a notification that decide whom it reaches."""

    model_config = ConfigDict(extra="forbid")

    school: SchoolName | None = None
    type: Kind
    audience: AudienceIn
    channels: list[Channel] = Field(default=["push", "mail", "inbox"], min_length=1)
    urgent: Flag = False


class AtSchool(BaseModel):
    """One school's part of a send to several."""

    school_id: UUID
    notification_id: UUID
    task_id: UUID


class Rest(BaseModel):
    """The second part of a send to a few people first."""

    notification_id: UUID
    task_id: UUID
    schedule_id: UUID


class Accepted(BaseModel):
    """The send is stored; `task_id` shows its progress. A later send has a `schedule_id`.

    With a canary `notification_id` is its own, `rest` has the ids of the second part, and `task_id` shows both. One
    that waits for a second person has only an `approval_id`.

    A send to several schools has `notifications`, one a school; at `empty_schools` it has no recipients.
    """

    id: UUID
    notification_id: UUID | None = None
    task_id: UUID | None = None
    schedule_id: UUID | None = None
    approval_id: UUID | None = None
    state: str
    notifications: list[AtSchool] | None = None
    empty_schools: list[UUID] | None = None
    rest: Rest | None = None


@router.post("/notifications:preview", dependencies=[allow(STAFF, scope="notifications:write", audited=False)])
async def preview(
    body: PreviewIn, caller: CurrentCaller, rows: Rows, owners: Services, school: Wanted = None
) -> Response:
    """Count the people whom it would reach, by channel and language, and those it cannot. Nothing is sent or stored.

    The notifier answers with the statements that plan a send, so the preview cannot differ from the send.
    """
    where = await school_of(rows, caller, one_school(body.school, school))
    audience = audience_of(body.audience)
    async with rows.request(where) as tx:
        await audience_checks.check_ids(tx, where, audience)
    channels = list(dict.fromkeys(body.channels))
    return await preview_at_owner(owners, caller, where, audience, body.type, channels, urgent=body.urgent)


async def preview_at_owner(
    owners: ServiceClients,
    caller: Caller,
    school: UUID,
    audience: Audience,
    kind: Kind,
    channels: Sequence[Channel],
    *,
    urgent: bool,
    draw: int = 0,
) -> Response:
    """Ask the notifier whom a checked audience would reach, and to draw some of these people."""
    asked = {"audience": audience.model_dump(mode="json"), "kind": kind, "channels": list(channels), "urgent": urgent}
    wanted = asked | ({"draw": draw} if draw else {})
    return await owners.send_command("notifier", "POST", "/v1/notifications:preview", caller, school, wanted)


@router.get("/notifications/{notification_id}", dependencies=[allow(STAFF, scope="notifications:read")])
async def read(
    notification_id: UUID, caller: CurrentCaller, rows: Rows, owners: Services, school: Wanted = None
) -> Any:
    """Return a notification with its counts by channel and state; `accepted` until the notifier knows it.

    One of a send to a few people first has `canary`: the `first` and the `rest` notification, and their `task_id`.

    A step of an escalation was not requested here, so only its owner knows it: a caller of the group names `school`.
    """
    async with seen_by(rows, caller) as tx:
        intent = await tx.row(SELECT_INTENT, {"id": notification_id})
        both = await parts_of(tx, intent["task_id"]) if intent else None
    if intent is None and caller.everywhere and caller.school is None and school is None:
        raise Problem(404, "not_found")
    where = intent["school_id"] if intent else await school_of(rows, caller, school)
    response = await owners.get("notifier", f"/v1/notifications/{notification_id}", caller, where)
    if response.status_code != 404:  # noqa: PLR2004
        return response.json() | ({"canary": both} if both else {})
    if intent is None:
        raise Problem(404, "not_found")
    found = {"notification_id": str(notification_id), "task_id": str(intent["task_id"]), "state": "accepted"}
    return found | ({"canary": both} if both else {})


@router.get("/notifications", dependencies=[allow(STAFF, scope="notifications:read")])
async def listing(
    caller: CurrentCaller,
    rows: Rows,
    owners: Services,
    school: Wanted = None,
    kind: Annotated[Kind | None, Query(alias="type")] = None,
    state: State = None,
    after: UUID | None = None,
    limit: Limit = 50,
) -> Any:
    """List notifications of a school, newest first; pass `next` as `after` to go on."""
    where = await school_of(rows, caller, school)
    asked = {"limit": limit, "kind": kind, "state": state, "after": after and str(after)}
    params = {name: value for name, value in asked.items() if value is not None}
    return (await owners.get("notifier", "/v1/notifications", caller, where, params)).json()

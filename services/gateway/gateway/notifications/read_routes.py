"""`/v1/notifications`: whom it would reach, and see what became of it."""

from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from gateway.http.dependencies import Rows, Services, school_of, seen_by
from gateway.http.fields import Limit, SchoolName, State, Wanted
from gateway.http.json_types import Flag, Instant
from gateway.notifications import audience_checks
from gateway.notifications.schemas import MessageIn
from gateway.problems import Problem
from gateway.schedules.schemas import Timing
from gateway.security.access_control import Known
from shared.events import Audience
from shared.events.values import Channel, Kind, Responsibility, Role
from shared.http.fields import NO_NUL

router = APIRouter(prefix="/v1", tags=["notifications"])

PEOPLE_LIMIT = 10_000

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, pattern=NO_NUL)]


INTENT = "SELECT task_id, school_id FROM intent WHERE notification_id = %(id)s"


class AudienceIn(BaseModel):
    """Exactly one of `people`, `grade`, `school`, `classes` and `students`.

    Guardians are those of the students meant, with the `responsibility` asked for; somebody who answers for several
    children is told once.
    """

    model_config = ConfigDict(extra="forbid")

    people: list[UUID] | None = Field(default=None, min_length=1, max_length=PEOPLE_LIMIT)
    grade: Annotated[str, StringConstraints(min_length=1, max_length=16, pattern=NO_NUL)] | None = None
    school: Flag = False
    classes: list[UUID] | None = Field(default=None, min_length=1, max_length=500)
    students: list[UUID] | None = Field(default=None, min_length=1, max_length=PEOPLE_LIMIT)
    roles: list[Role] = Field(default=["guardian"], min_length=1)
    responsibility: Responsibility = "any"

    @model_validator(mode="after")
    def one_of_them(self) -> Self:
        """An audience that names nobody, or two kinds of people, is a mistake."""
        named = (self.people, self.grade, self.school or None, self.classes, self.students)
        if sum(each is not None for each in named) != 1:
            msg = "name exactly one of people, grade, school, classes and students"
            raise ValueError(msg)
        return self


class NotificationIn(MessageIn, Timing):
    """What to tell whom, now or later."""

    model_config = ConfigDict(extra="forbid")

    school: SchoolName | None = None
    schools: list[SchoolName] | None = Field(default=None, min_length=1, max_length=500)
    type: Kind
    audience: AudienceIn
    channels: list[Channel] = Field(default=["push", "mail", "inbox"], min_length=1)
    urgent: Flag = False
    expires_at: Instant | None = None

    @model_validator(mode="after")
    def several_schools_at_once(self) -> Self:
        """Ids belong to one school, and so does a local time."""
        audience = self.audience
        if self.schools is not None and (
            self.school is not None or self.rule is not None or not (audience.school or audience.grade)
        ):
            msg = "with schools: no school, no deliver_at or repeat, and an audience of school or grade"
            raise ValueError(msg)
        return self


class PreviewIn(BaseModel):
    """A notification as far as it decides who is reached."""

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


class Accepted(BaseModel):
    """The intent is safe; `task_id` tells how it goes on. What comes later has a `schedule_id`.

    A send to several schools has `notifications`, one a school; nobody is meant at `empty_schools`.
    """

    id: UUID
    notification_id: UUID | None = None
    task_id: UUID | None = None
    schedule_id: UUID | None = None
    state: str
    notifications: list[AtSchool] | None = None
    empty_schools: list[UUID] | None = None


def audience_of(body: AudienceIn) -> Audience:
    """The audience as services know it, nobody named twice."""
    return Audience(
        people=tuple(dict.fromkeys(body.people)) if body.people else None,
        grade=body.grade,
        school=body.school,
        classes=tuple(dict.fromkeys(body.classes)) if body.classes else None,
        students=tuple(dict.fromkeys(body.students)) if body.students else None,
        roles=tuple(body.roles),
        responsibility=body.responsibility,
    )


@router.post("/notifications:preview")
async def preview(body: PreviewIn, caller: Known, rows: Rows, owners: Services) -> Response:
    """Whom it would reach, counted by channel and language, and who cannot be reached. Nothing is sent or kept.

    Answered by the notifier with the statements that plan a send, so that it cannot say something else than happens.
    """
    school = await school_of(rows, caller, body.school)
    audience = audience_of(body.audience)
    async with rows.request(school) as tx:
        await audience_checks.check(tx, school, audience)
    asked = {
        "audience": audience.model_dump(mode="json"),
        "kind": body.type,
        "channels": list(dict.fromkeys(body.channels)),
        "urgent": body.urgent,
    }
    return await owners.decide("notifier", "POST", "/v1/notifications:preview", caller, school, asked)


@router.get("/notifications/{notification_id}")
async def read(notification_id: UUID, caller: Known, rows: Rows, owners: Services, school: Wanted = None) -> Any:
    """One notification with its counts by channel and state; `accepted` while the notifier has not heard of it.

    What nobody asked for here (a step of an escalation) only its owner knows: `school` says where to look, for those
    who belong to none.
    """
    async with seen_by(rows, caller) as tx:
        intent = await tx.row(INTENT, {"id": notification_id})
    if intent is None and caller.everywhere and caller.school is None and school is None:
        raise Problem(404, "not_found")
    where = intent["school_id"] if intent else await school_of(rows, caller, school)
    response = await owners.get("notifier", f"/v1/notifications/{notification_id}", caller, where)
    if response.status_code != 404:  # noqa: PLR2004
        return response.json()
    if intent is None:
        raise Problem(404, "not_found")
    return {"notification_id": str(notification_id), "task_id": str(intent["task_id"]), "state": "accepted"}


@router.get("/notifications")
async def listing(
    caller: Known,
    rows: Rows,
    owners: Services,
    school: Wanted = None,
    kind: Annotated[Kind | None, Query(alias="type")] = None,
    state: State = None,
    after: UUID | None = None,
    limit: Limit = 50,
) -> Any:
    """Notifications of a school, newest first; pass `next` as `after` to go on."""
    where = await school_of(rows, caller, school)
    asked = {"limit": limit, "kind": kind, "state": state, "after": after and str(after)}
    params = {name: value for name, value in asked.items() if value is not None}
    return (await owners.get("notifier", "/v1/notifications", caller, where, params)).json()

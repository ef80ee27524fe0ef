"""Notifications: asked for, planned, on their way, done, read."""

import datetime as dt
from typing import Annotated, ClassVar, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from shared.events.event import Event, Personal
from shared.events.values import Channel, Kind, Part, Responsibility, Role

SEND_TASK = "notification.send"
"""The kind of the task that tells how a send proceeds."""
FEW = 200
"""People whose deliveries are planned in no time."""


class Audience(Part):
    """Who is meant. Exactly one of the first six is set.

    A grade's, class's or student's guardians are the guardians of those students who have `responsibility`; somebody
    who answers for several of them is told once. `told` is an `origin`: whoever has been told of it already.
    `except_told` is an `origin` too: whoever has been told of it is left out. Both look at older versions only.
    """

    people: tuple[UUID, ...] | None = None
    grade: str | None = None
    school: bool = False
    classes: tuple[UUID, ...] | None = None
    students: tuple[UUID, ...] | None = None
    told: str | None = None
    roles: tuple[Role, ...] = ("guardian",)
    responsibility: Responsibility = "any"
    except_told: str | None = None

    @model_validator(mode="after")
    def one_of_them(self) -> Self:
        """An audience that names nobody, or two kinds of people, is a mistake."""
        named = (self.people, self.grade, self.school or None, self.classes, self.students, self.told)
        if sum(each is not None for each in named) != 1:
            msg = "name exactly one of people, grade, school, classes, students and told"
            raise ValueError(msg)
        return self


class Escalation(Part):
    """Somebody must be reached: as long as it is unread, one step more every `after_minutes`, until `deadline`."""

    after_minutes: int = 15
    steps: tuple[Literal["mail", "next_guardian", "office"], ...] = ("mail", "next_guardian", "office")
    deadline: dt.datetime | None = None


class NotificationIntent(Event):
    """What people are to be told, asked for by a person or come due by a schedule.

    `origin` ("absence:<id>") and `origin_version` tie it to the record that it is about. A `correction` first cancels
    what is still pending of its origin. `group_id` ties together what was sent to several schools at once.
    With `template` set, title and body come from that template and `variables`.
    """

    notification_id: UUID
    task_id: UUID
    school_id: UUID
    kind: Kind
    audience: Audience
    channels: tuple[Channel, ...]
    urgent: bool = False
    expires_at: dt.datetime | None = None
    directory_version: int
    requested_by: UUID | None = None
    requested_at: dt.datetime
    origin: str | None = None
    origin_version: int = 0
    correction: bool = False
    group_id: UUID | None = None
    escalation: Escalation | None = None
    template: str | None = None
    title: Annotated[str, Personal] = ""
    body: Annotated[str, Personal] = ""
    data: Annotated[dict[str, str], Personal] = Field(default_factory=dict)
    variables: Annotated[dict[str, str], Personal] = Field(default_factory=dict)

    @property
    def subject(self) -> str:
        return str(self.notification_id)

    @property
    def heavy(self) -> bool:
        return self.audience.people is None or len(self.audience.people) > FEW


class NotificationRequested(NotificationIntent):
    """Somebody asked for people to be told something; committed by the gateway."""

    topic: ClassVar[str] = "notification.requested"

    @property
    def sealed_for(self) -> UUID:
        return self.notification_id


class NotificationPlanned(Event):
    """The people and addresses of a notification are known; one delivery row each."""

    topic: ClassVar[str] = "notification.planned"
    log_only: ClassVar[bool] = True

    notification_id: UUID
    school_id: UUID
    task_id: UUID
    planned: int
    suppressed: int

    @property
    def subject(self) -> str:
        return str(self.notification_id)


class NotificationCompleted(Event):
    """Every delivery of a notification reached a final state; totals by channel and state."""

    topic: ClassVar[str] = "notification.completed"
    log_only: ClassVar[bool] = True

    notification_id: UUID
    school_id: UUID
    task_id: UUID
    counts: dict[str, dict[str, int]]

    @property
    def subject(self) -> str:
        return str(self.notification_id)


class NotificationRead(Event):
    """Somebody read a notification in the app."""

    topic: ClassVar[str] = "notification.read"
    log_only: ClassVar[bool] = True

    notification_id: UUID
    school_id: UUID
    person_id: UUID
    read_at: dt.datetime
    acknowledged: bool = False

    @property
    def subject(self) -> str:
        return str(self.notification_id)


class InboxChanged(Event):
    """The inboxes of some people (no more than 1,000 an event) are no longer what their apps last saw."""

    topic: ClassVar[str] = "inbox.changed"
    log_only: ClassVar[bool] = True

    school_id: UUID
    notification_id: UUID
    people: tuple[UUID, ...]
    reason: Literal["added", "read"]

    @property
    def subject(self) -> str:
        return str(self.notification_id)

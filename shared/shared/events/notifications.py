"""Notifications: asked for, planned, on their way, done."""

import datetime as dt
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from shared.events.base import Event, Personal
from shared.events.directory import Channel, Kind, Part, Role


class Audience(Part):
    """Who is meant: named people, or everybody of `roles` in a grade or in the whole school.

    A grade's guardians are the guardians of its students. Exactly one of the three is set.
    """

    people: tuple[UUID, ...] | None = None
    grade: str | None = None
    school: bool = False
    roles: tuple[Role, ...] = ("guardian",)


class NotificationRequested(Event):
    """Somebody asked for people to be told something; committed by the gateway."""

    topic: ClassVar[str] = "notification.requested"

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
    title: Annotated[str, Personal] = ""
    body: Annotated[str, Personal] = ""
    data: Annotated[dict[str, str], Personal] = Field(default_factory=dict)

    @property
    def subject(self) -> str:
        return str(self.notification_id)

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

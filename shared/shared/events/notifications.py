"""Notifications: requested, planned, completed, read."""

import datetime as dt
from typing import Annotated, ClassVar, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from shared.events.event import Event, Personal
from shared.events.values import Channel, Kind, Part, Responsibility, Role

SEND_TASK = "notification.send"
"""The kind of the task that reports the progress of a send."""
ADDRESS_REMOVED = "address_removed"
"""The built-in template for what is sent to an address that a person no longer has."""
FORMER_ADDRESSES = "address:"
"""How the `origin` of such a notification begins."""
LARGE_AUDIENCE = 200
"""Number of people above which planning takes long, so that the request is handled alone."""

CANARY_LIMIT = 100
"""Number of people at most who receive a send before all others."""


class Audience(Part):
    """The recipients of a notification. Exactly one of the first six fields is set.

    For a grade, classes or students, the guardians of these students with the given `responsibility` are notified. A
    guardian of several of them is notified once. `told` is an `origin`: the people who were notified of it.
    `except_told` is an `origin` too: the people who were notified of it are left out. Both look at older versions only.
    A send to a few people first has two parts: `only_people` of the audience, and later all but `except_people`.
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
    except_people: tuple[UUID, ...] = ()
    only_people: tuple[UUID, ...] | None = None

    @model_validator(mode="after")
    def one_of_them(self) -> Self:
        """Refuse an audience with none or several of the six fields."""
        named = (self.people, self.grade, self.school or None, self.classes, self.students, self.told)
        if sum(each is not None for each in named) != 1:
            msg = "name exactly one of people, grade, school, classes, students and told"
            raise ValueError(msg)
        return self


class Escalation(Part):
    """While the notification is unread, take the next of `steps` every `after_minutes` minutes, until `deadline`."""

    after_minutes: int = 15
    steps: tuple[Literal["mail", "next_guardian", "office"], ...] = ("mail", "next_guardian", "office")
    deadline: dt.datetime | None = None


class NotificationIntent(Event):
    """A notification to send, requested by a person or due by a schedule.

    `origin` ("absence:<id>") and `origin_version` name the record that it is about. A `correction` first cancels the
    pending deliveries of the same origin. `group_id` connects the notifications of one send: to several schools, or
    to a few people first and then to all others. An address receives such a send once.
    With `template`, title and body come from that template and `variables`. With an `origin` of "address:<id>" it goes
    to the addresses in `variables`, which its one person no longer has.
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

    @classmethod
    def safety_key(cls) -> str:
        """Return the routing key of those about safety: they never wait behind others."""
        return f"{cls.topic}-safety"

    @property
    def routing_key(self) -> str:
        return self.safety_key() if self.kind == "safety" else self.topic

    @property
    def runs_alone(self) -> bool:
        return self.audience.people is None or len(self.audience.people) > LARGE_AUDIENCE


class NotificationRequested(NotificationIntent):
    """A person requested a notification; the gateway committed the request."""

    topic: ClassVar[str] = "notification.requested"

    @property
    def sealed_for(self) -> UUID:
        return self.notification_id


class NotificationPlanned(Event):
    """The recipients and addresses of a notification are known; each has a delivery row."""

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
    """Every delivery of a notification has reached a final state; `counts` has totals by channel and state."""

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
    """A person read a notification in the app."""

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
    """The inboxes of some people changed; an event names at most 1,000 people."""

    topic: ClassVar[str] = "inbox.changed"
    log_only: ClassVar[bool] = True

    school_id: UUID
    notification_id: UUID
    people: tuple[UUID, ...]
    reason: Literal["added", "read"]

    @property
    def subject(self) -> str:
        return str(self.notification_id)

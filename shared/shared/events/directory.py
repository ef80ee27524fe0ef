"""Schools, people and students, and how each person can be reached."""

import datetime as dt
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from shared.events.event import DirectoryEvent, Personal
from shared.events.values import Channel, Kind, Occasion, Part, Role


class QuietHours(Part):
    """Local hours in which only safety messages are delivered; they span midnight when `ends` is not after `starts`."""

    starts: dt.time
    ends: dt.time


class SchoolChanged(DirectoryEvent):
    """A school was added, or its name, timezone or settings changed.

    `logo` is a small WebP picture in base64; `color` is `#rrggbb`.
    """

    topic: ClassVar[str] = "school.changed"

    school_id: UUID
    name: str
    timezone: str
    language: str = "en"
    active: bool = True
    mute_details: bool = True
    announces: tuple[Occasion, ...] = ()
    quiet: QuietHours | None = None
    digest_at: dt.time = dt.time(7)
    office: tuple[UUID, ...] = ()
    letterhead: str = ""
    color: str | None = None
    logo: str | None = None

    @property
    def subject(self) -> str:
        return str(self.school_id)


class Term(Part):
    """A named part of the school year; `ends` is its last day."""

    name: str
    starts: dt.date
    ends: dt.date


class Closure(Part):
    """Days on which the school is closed; `ends` is the last closed day."""

    name: str
    starts: dt.date
    ends: dt.date


class CalendarChanged(DirectoryEvent):
    """A school's terms, closures or school days changed."""

    topic: ClassVar[str] = "calendar.changed"

    school_id: UUID
    terms: tuple[Term, ...] = ()
    closures: tuple[Closure, ...] = ()
    weekdays: tuple[int, ...] = (1, 2, 3, 4, 5)
    """ISO weekdays with lessons: 1 is Monday."""

    @property
    def subject(self) -> str:
        return str(self.school_id)


class Membership(Part):
    """A person's role at a school. It starts on `starts` and has ended on `ends`, the first day without it."""

    school_id: UUID
    role: Role
    grade: str | None = None
    starts: dt.date | None = None
    ends: dt.date | None = None


class Contact(Part):
    """An address of a person; `kind` names its channel."""

    kind: Literal["mail", "phone"]
    address: str


class Device(Part):
    """An app installation that accepts push messages."""

    token: str
    fid: str | None = None
    platform: Literal["android", "ios", "web"]
    registered_at: dt.datetime


class Preference(Part):
    """A person's choice for one kind of notification on one channel."""

    kind: Kind
    channel: Channel
    wanted: bool


class PersonChanged(DirectoryEvent):
    """A person changed: name, schools, addresses, devices or preferences; or was erased (`erased_at`)."""

    topic: ClassVar[str] = "person.changed"

    person_id: UUID
    active: bool = True
    language: str | None = None
    timezone: str | None = None
    memberships: tuple[Membership, ...] = ()
    preferences: tuple[Preference, ...] = ()
    quiet: QuietHours | None = None
    given_name: Annotated[str | None, Personal] = None
    family_name: Annotated[str | None, Personal] = None
    contacts: Annotated[tuple[Contact, ...], Personal] = ()
    devices: Annotated[tuple[Device, ...], Personal] = ()
    erased_at: dt.datetime | None = None

    @property
    def erased(self) -> bool:
        """Whether the person was erased. Events from before there was `erased_at` show it by being blank."""
        if "erased_at" in self.model_fields_set:
            return self.erased_at is not None
        return not (self.active or self.given_name or self.family_name or self.contacts or self.devices)

    @property
    def subject(self) -> str:
        return str(self.person_id)

    @property
    def sealed_for(self) -> UUID:
        return self.person_id


class Guardian(Part):
    """A person responsible for a student, and the areas of responsibility; the lowest `rank` is contacted first."""

    person_id: UUID
    rank: int = 1
    relationship: str = "guardian"
    custody: bool = True
    billing: bool = True
    emergency: bool = True


class StudentChanged(DirectoryEvent):
    """A student's grade, classes or guardians at a school changed. `class_names` are in the order of `classes`."""

    topic: ClassVar[str] = "student.changed"

    student_id: UUID
    school_id: UUID
    grade: str | None = None
    active: bool = True
    classes: tuple[UUID, ...] = ()
    class_names: tuple[str, ...] = ()
    guardians: tuple[Guardian, ...] = ()

    @property
    def subject(self) -> str:
        return f"{self.school_id}:{self.student_id}"


DIRECTORY = (SchoolChanged, PersonChanged, StudentChanged, CalendarChanged)
"""The events of the directory. A projection reads all of them, because a directory version may be in any of them."""

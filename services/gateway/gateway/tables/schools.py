"""Schools, their settings and their calendars."""

import datetime as dt
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, Index, SmallInteger, Text, UniqueConstraint, Uuid
from sqlmodel import SQLModel

from gateway.tables.base import GatewayTable
from shared.events.values import Occasion
from shared.persistence.schema import column


class SchoolShown(SQLModel):
    """The fields of a school that answers show as they are stored."""

    sourced_id: str | None = column(unique=True)  # the roster's name for it
    name: str
    timezone: str
    language: str = column(default="'en'")
    active: bool = column(default="true")
    mute_details: bool = column(default="true")  # push messages and mails say no more than that there is something
    announces: list[Occasion] = column(
        ARRAY(Text), default="'{}'"
    )  # events that guardians are notified of without a request
    digest_at: dt.time = column(default="'07:00:00'")
    office: list[UUID] = column(ARRAY(Uuid), default="'{}'")  # people who are asked where no guardian can be reached
    letterhead: str = column(default="''")  # the line below the school's name on reports
    color: str | None  # `#rrggbb`
    logo_file: UUID | None  # the file whose picture is the logo
    approval_above: int | None  # a send to more people waits for a second person
    version: int = column(BigInteger, default="1")
    directory_version: int = column(BigInteger, default="0")  # rises with every event about the school's directory


class SchoolRow(SchoolShown, GatewayTable, table=True):
    """A school of the group and its settings."""

    __table_args__ = (
        CheckConstraint("(quiet_starts IS NULL) = (quiet_ends IS NULL)", name="ck_school_quiet"),
        CheckConstraint("approval_above > 0", name="ck_school_approval_above"),
    )

    school_id: UUID = column(key=True)
    source: str = column(default="''")  # the system whose roster brought it first
    quiet_starts: dt.time | None  # local time; over midnight where `quiet_ends` is not later
    quiet_ends: dt.time | None
    logo: str | None  # the picture as it was when it was chosen: WebP in base64


class CalendarRow(GatewayTable, table=True):
    """The school days of a week; terms and closures share its version, because one event has all of them."""

    school_id: UUID = column(key=True, references="school.school_id")
    weekdays: list[int] = column(ARRAY(SmallInteger), default="'{1,2,3,4,5}'")  # ISO: 1 is Monday
    version: int = column(BigInteger, default="1")


class TermRow(GatewayTable, table=True):
    """A part of the school year."""

    __table_args__ = (
        UniqueConstraint("school_id", "sourced_id", "source", name="uq_term_sourced_id"),
        CheckConstraint("ends >= starts", name="ck_term_ends"),
        CheckConstraint("kind IN ('term', 'semester', 'gradingPeriod', 'schoolYear')", name="ck_term_kind"),
    )

    term_id: UUID = column(key=True)
    school_id: UUID = column(references="calendar.school_id")
    source: str = column(default="''")  # the system whose rosters bring it
    sourced_id: str | None
    name: str
    kind: str = column(default="'term'")
    starts: dt.date
    ends: dt.date  # the last day


class ClosureRow(GatewayTable, table=True):
    """Days on which a school is closed."""

    __table_args__ = (
        CheckConstraint("ends >= starts", name="ck_closure_ends"),
        Index("ix_closure_school_id", "school_id", "starts"),
    )

    closure_id: UUID = column(key=True)
    school_id: UUID = column(references="calendar.school_id")
    name: str
    starts: dt.date
    ends: dt.date  # the last day

"""People of the group, their roles at schools, and their addresses."""

import datetime as dt
from typing import Literal
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, Text, UniqueConstraint, text
from sqlmodel import SQLModel

from gateway.tables.base import GatewayTable
from shared.persistence.schema import column


class PersonRow(GatewayTable, table=True):
    """A person, who belongs to the group and not to one school."""

    __table_args__ = (
        UniqueConstraint("sourced_id", "source", name="uq_person_sourced_id"),
        CheckConstraint("(quiet_starts IS NULL) = (quiet_ends IS NULL)", name="ck_person_quiet"),
    )

    person_id: UUID = column(key=True)
    source: str = column(default="''")  # the system whose rosters bring the person; '': added by hand
    sourced_id: str | None  # that system's name for them
    given_name: str
    family_name: str
    language: str | None
    timezone: str | None
    active: bool = column(default="true")
    signs_in: bool = column(default="true")  # whether the roster allows it (enabledUser)
    digest: bytes | None  # of the last roster's row, so that a repeat changes nothing
    quiet_starts: dt.time | None  # in place of the school's; over midnight where `quiet_ends` is not later
    quiet_ends: dt.time | None
    version: int = column(BigInteger, default="1")
    erased_at: dt.datetime | None


class MembershipRow(GatewayTable, table=True):
    """A role of a person at a school."""

    __table_args__ = (
        Index("ix_membership_school_id", "school_id", "role", "person_id"),
        Index("ix_membership_school_id_person_id", "school_id", "person_id"),
        Index("ix_membership_sourced_id", "sourced_id", postgresql_where=text("sourced_id IS NOT NULL")),
        Index("ix_membership_ends", "ends", postgresql_where=text("role = 'student' AND ends IS NOT NULL")),
    )

    person_id: UUID = column(key=True, references="person.person_id")
    school_id: UUID = column(key=True, references="school.school_id")
    role: str = column(key=True)
    grade: str | None
    starts: dt.date | None
    ends: dt.date | None  # the first day on which it no longer holds, by the school's own date
    sourced_id: str | None  # the row of roles.csv (OneRoster 1.2) that it comes from


class ContactRow(GatewayTable, table=True):
    """An address of a person."""

    person_id: UUID = column(key=True, references="person.person_id")
    kind: str = column(key=True)
    address: str = column(key=True)


class PreferenceRow(GatewayTable, table=True):
    """Whether a person wants one kind of notification on one channel."""

    person_id: UUID = column(key=True, references="person.person_id")
    kind: str = column(key=True)
    channel: str = column(key=True)
    wanted: bool


class DeviceShown(SQLModel):
    """The fields of a device that answers show as they are stored."""

    token: str = column(key=True)
    fid: str | None  # Firebase's installation id
    platform: Literal["android", "ios", "web"] = column(Text)
    registered_at: dt.datetime = column(default="clock_timestamp()")


class DeviceRow(DeviceShown, GatewayTable, table=True):
    """A device that push messages for a person go to; it belongs to the person who registered it last."""

    __table_args__ = (
        Index("ix_device_person_id", "person_id"),
        Index("ix_device_fid", "fid", postgresql_where=text("fid IS NOT NULL")),
    )

    person_id: UUID = column(references="person.person_id")

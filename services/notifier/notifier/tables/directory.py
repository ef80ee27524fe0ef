"""The directory as far as the notifier needs it, projected from the log.

`version` guards against older states. No table refers to another: their events come in any order.
"""

import datetime as dt
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, Index, Text, Uuid

from notifier.tables.base import NotifierTable
from shared.persistence.schema import column


class SchoolRow(NotifierTable, table=True):
    """A school and the settings that decide what is sent when."""

    __table_args__ = (CheckConstraint("(quiet_starts IS NULL) = (quiet_ends IS NULL)", name="ck_school_quiet"),)

    school_id: UUID = column(key=True)
    name: str
    timezone: str
    language: str
    active: bool
    mute_details: bool  # push messages and mails say no more than that there is something
    version: int = column(BigInteger)
    announces: list[str] = column(
        ARRAY(Text), default="'{}'"
    )  # events that guardians are notified of without a request
    quiet_starts: dt.time | None  # local time; over midnight where `quiet_ends` is not later
    quiet_ends: dt.time | None
    digest_at: dt.time = column(default="'07:00:00'")
    office: list[UUID] = column(ARRAY(Uuid), default="'{}'")  # people who are asked where no guardian can be reached


class PersonRow(NotifierTable, table=True):
    """A person and the languages and hours in which they are written to."""

    __table_args__ = (CheckConstraint("(quiet_starts IS NULL) = (quiet_ends IS NULL)", name="ck_person_quiet"),)

    person_id: UUID = column(key=True)
    active: bool
    language: str | None
    timezone: str | None
    given_name: str | None
    family_name: str | None
    version: int = column(BigInteger)
    quiet_starts: dt.time | None  # in place of the school's
    quiet_ends: dt.time | None
    erased: bool | None = column(comment="as the newest event says; NULL where the version before wrote the row")


class MembershipRow(NotifierTable, table=True):
    """What a person is at a school."""

    __table_args__ = (Index("ix_membership_school_id_role", "school_id", "role"),)

    person_id: UUID = column(key=True)
    school_id: UUID = column(key=True)
    role: str = column(key=True)
    grade: str | None
    starts: dt.date | None
    ends: dt.date | None  # the first day on which it no longer holds, by the school's own date


class ContactRow(NotifierTable, table=True):
    """An address of a person."""

    person_id: UUID = column(key=True)
    kind: str = column(key=True)
    address: str = column(key=True)


class DeviceRow(NotifierTable, table=True):
    """A device that push messages for a person go to."""

    __table_args__ = (Index("ix_device_person_id", "person_id"),)

    token: str = column(key=True)
    person_id: UUID
    fid: str | None  # Firebase's installation id
    platform: str
    registered_at: dt.datetime


class PreferenceRow(NotifierTable, table=True):
    """Whether a person wants one kind of notification on one channel."""

    person_id: UUID = column(key=True)
    kind: str = column(key=True)
    channel: str = column(key=True)
    wanted: bool


class StudentRow(NotifierTable, table=True):
    """A student at one school, with the classes that they are in."""

    __table_args__ = (
        Index("ix_student_school_id_grade", "school_id", "grade"),
        Index("ix_student_classes", "classes", postgresql_using="gin"),
    )

    school_id: UUID = column(key=True)
    student_id: UUID = column(key=True)
    grade: str | None
    active: bool
    version: int = column(BigInteger)
    classes: list[UUID] = column(ARRAY(Uuid), default="'{}'")


class GuardianshipRow(NotifierTable, table=True):
    """A person who answers for a student, and in which matters."""

    school_id: UUID = column(key=True)
    student_id: UUID = column(key=True)
    guardian_id: UUID = column(key=True)
    relationship: str
    custody: bool
    billing: bool
    emergency: bool
    rank: int = column(default="1")  # the lowest is asked first


class ForgottenRow(NotifierTable, table=True):
    """A person who was erased, and whose words and addresses have been removed from everything here."""

    person_id: UUID = column(key=True)
    forgotten_at: dt.datetime = column(default="clock_timestamp()")

"""Classes of a school and the people in them."""

import datetime as dt
from typing import Literal
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, Index, PrimaryKeyConstraint, Text, UniqueConstraint, text
from sqlmodel import SQLModel

from gateway.tables.base import GatewayTable
from shared.persistence.schema import column

ClassKind = Literal["homeroom", "scheduled"]
ClassRole = Literal["student", "teacher", "administrator", "proctor", "aide"]


class SchoolClassShown(SQLModel):
    """The fields of a class that answers show as they are stored."""

    sourced_id: str | None  # the roster's name for it
    title: str
    code: str | None
    kind: ClassKind = column(Text, default="'scheduled'")
    grades: list[str] = column(ARRAY(Text), default="'{}'")
    active: bool = column(default="true")
    version: int = column(BigInteger, default="1")


class SchoolClassRow(SchoolClassShown, GatewayTable, table=True):
    """A class of a school."""

    __table_args__ = (
        UniqueConstraint("sourced_id", "source", name="uq_school_class_sourced_id"),
        CheckConstraint("kind IN ('homeroom', 'scheduled')", name="ck_school_class_kind"),
        Index("ix_school_class_school_id", "school_id", "class_id"),
    )

    class_id: UUID = column(key=True)
    school_id: UUID = column(references="school.school_id")
    source: str = column(default="''")  # the system whose rosters bring it
    digest: bytes | None  # of the last roster's row, so that a repeat changes nothing


class EnrolmentShown(SQLModel):
    """The fields of an enrolment that answers show as they are stored."""

    person_id: UUID = column(references="person.person_id")
    role: ClassRole = column(Text)
    leads: bool = column(default="false")  # the teacher who is responsible for the class
    starts: dt.date | None
    ends: dt.date | None  # the first day on which it no longer holds


class EnrolmentRow(EnrolmentShown, GatewayTable, table=True):
    """A person in a class, and their role."""

    __table_args__ = (
        PrimaryKeyConstraint("class_id", "person_id", "role"),
        CheckConstraint("role IN ('student', 'teacher', 'administrator', 'proctor', 'aide')", name="ck_enrolment_role"),
        Index("ix_enrolment_person_id", "person_id", "school_id", postgresql_where=text("NOT lapsed")),
        Index("ix_enrolment_ends", "ends", postgresql_where=text("NOT lapsed AND ends IS NOT NULL")),
        Index("ix_enrolment_sourced_id", "sourced_id"),
    )

    class_id: UUID = column(references="school_class.class_id")
    school_id: UUID
    sourced_id: str | None
    lapsed: bool = column(default="false")  # set in the commit that publishes that it is over

"""Classes of a school and the people in them."""

import datetime as dt
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, Index, Text, text

from gateway.tables.base import GatewayTable
from shared.persistence.schema import column


class SchoolClassRow(GatewayTable, table=True):
    """A class of a school."""

    __table_args__ = (
        CheckConstraint("kind IN ('homeroom', 'scheduled')", name="ck_school_class_kind"),
        Index("ix_school_class_school_id", "school_id", "class_id"),
    )

    class_id: UUID = column(key=True)
    school_id: UUID = column(references="school.school_id")
    sourced_id: str | None = column(unique=True)  # the roster's name for it
    title: str
    code: str | None
    kind: str = column(default="'scheduled'")
    grades: list[str] = column(ARRAY(Text), default="'{}'")
    active: bool = column(default="true")
    digest: bytes | None  # of what the roster last said, so that a repeat changes nothing
    version: int = column(BigInteger, default="1")


class EnrolmentRow(GatewayTable, table=True):
    """A person in a class, and as what."""

    __table_args__ = (
        CheckConstraint("role IN ('student', 'teacher', 'administrator', 'proctor', 'aide')", name="ck_enrolment_role"),
        Index("ix_enrolment_person_id", "person_id", "school_id", postgresql_where=text("NOT lapsed")),
        Index("ix_enrolment_ends", "ends", postgresql_where=text("NOT lapsed AND ends IS NOT NULL")),
        Index("ix_enrolment_sourced_id", "sourced_id"),
    )

    class_id: UUID = column(key=True, references="school_class.class_id")
    person_id: UUID = column(key=True, references="person.person_id")
    role: str = column(key=True)
    school_id: UUID
    sourced_id: str | None
    leads: bool = column(default="false")  # the teacher who answers for the class
    starts: dt.date | None
    ends: dt.date | None  # the first day on which it no longer holds
    lapsed: bool = column(default="false")  # set with the event that says that it is over: what was told holds

"""Facts about schools, students and their names: a row for each version, added and never changed.

`log_offset` is the version's first place in the log of the directory. What a report says as of an offset is the highest
version at or below it.
"""

import datetime as dt
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Index, Text, text

from reports.tables.base import ReportsTable
from shared.persistence.schema import column


class SchoolFactRow(ReportsTable, table=True):
    """A version of a school."""

    school_id: UUID = column(key=True)
    version: int = column(BigInteger, key=True)
    log_offset: int = column(BigInteger)
    name: str
    timezone: str
    language: str
    active: bool
    letterhead: str = column(default="''")
    color: str | None
    logo: str | None  # WebP in base64


class StudentFactRow(ReportsTable, table=True):
    """A version of a student at one school."""

    __table_args__ = (
        Index("ix_student_fact_student_id", "student_id"),
        Index(
            "ix_student_fact_newest",
            *("school_id", "student_id", text("version DESC")),
            postgresql_include=["log_offset", "changed_at", "grade", "active"],
        ),
    )

    school_id: UUID = column(key=True)
    student_id: UUID = column(key=True)
    version: int = column(BigInteger, key=True)
    log_offset: int = column(BigInteger)
    changed_at: dt.datetime
    grade: str | None
    active: bool
    class_names: list[str] = column(ARRAY(Text), default="'{}'")


class PersonFactRow(ReportsTable, table=True):
    """A version of a person who is or was a student."""

    __table_args__ = (
        Index(
            "ix_person_fact_newest",
            *("person_id", text("version DESC")),
            postgresql_include=["log_offset", "given_name", "family_name"],
        ),
        Index("ix_person_fact_erased", "person_id", postgresql_where=text("erased")),
    )

    person_id: UUID = column(key=True)
    version: int = column(BigInteger, key=True)
    log_offset: int = column(BigInteger)
    given_name: str | None  # NULL in every version once the person was erased
    family_name: str | None
    erased: bool


class MembershipFactRow(ReportsTable, table=True):
    """When a person is a student at a school, as a version of the person says."""

    __table_args__ = (
        Index(
            "ix_membership_fact_newest",
            *("school_id", "person_id", text("version DESC")),
            postgresql_include=["log_offset", "starts", "ends"],
        ),
    )

    person_id: UUID = column(key=True)
    version: int = column(BigInteger, key=True)
    school_id: UUID = column(key=True)
    log_offset: int = column(BigInteger)
    starts: dt.date | None
    ends: dt.date | None  # the first day on which it no longer holds


class SchoolPositionRow(ReportsTable, table=True):
    """The highest offset of a stream that says something about a school: what its newest report is as of."""

    school_id: UUID = column(key=True)
    stream: str = column(key=True)
    log_offset: int = column(BigInteger)

"""The directory as far as matching needs it, projected from the log. `version` guards against older states."""

from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Index, Text, Uuid

from files.tables.base import FilesTable
from shared.persistence.schema import column


class SchoolRow(FilesTable, table=True):
    """A school: its timezone says in which country dates and amounts were written."""

    school_id: UUID = column(key=True)
    timezone: str
    language: str
    version: int = column(BigInteger)


class PersonRow(FilesTable, table=True):
    """A person's name, as documents may say it."""

    person_id: UUID = column(key=True)
    given_name: str | None
    family_name: str | None
    version: int = column(BigInteger)
    erased: bool = column(default="false")  # files about this person go


class StudentRow(FilesTable, table=True):
    """A student at one school."""

    __table_args__ = (Index("ix_student_classes", "classes", postgresql_using="gin"),)

    school_id: UUID = column(key=True)
    student_id: UUID = column(key=True)
    grade: str | None = column(Text)
    active: bool
    classes: list[UUID] = column(ARRAY(Uuid), default="'{}'")
    version: int = column(BigInteger)

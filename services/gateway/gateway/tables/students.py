"""Students of a school and their guardians."""

from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, SmallInteger, text

from gateway.tables.base import GatewayTable
from shared.persistence.schema import column


class StudentRow(GatewayTable, table=True):
    """A student at one school."""

    __table_args__ = (
        Index("ix_student_school_id_grade", "school_id", "grade", "student_id"),
        Index("ix_student_untold", "school_id", "student_id", postgresql_where=text("NOT told")),
    )

    school_id: UUID = column(key=True, references="school.school_id")
    student_id: UUID = column(key=True, references="person.person_id")
    grade: str | None
    active: bool = column(default="true")
    digest: bytes | None  # of the last roster's row, so that a repeat changes nothing
    version: int = column(BigInteger, default="1")
    told: bool = column(default="true")  # false: an import has not yet published its event


class GuardianshipRow(GatewayTable, table=True):
    """A guardian of a student, and their responsibilities."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["school_id", "student_id"], ["student.school_id", "student.student_id"], name="fk_guardianship_student"
        ),
        Index("ix_guardianship_guardian_id", "guardian_id", "school_id"),
    )

    school_id: UUID = column(key=True)
    student_id: UUID = column(key=True)
    guardian_id: UUID = column(key=True, references="person.person_id")
    relationship: str = column(default="'guardian'")
    custody: bool = column(default="true")
    billing: bool = column(default="true")
    emergency: bool = column(default="true")
    rank: int = column(SmallInteger, default="1")  # the lowest is asked first


class GuardianChoiceRow(GatewayTable, table=True):
    """What a school states of a guardian; it holds again when a roster drops the relation and brings it back."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["school_id", "student_id"], ["student.school_id", "student.student_id"], name="fk_guardian_choice_student"
        ),
        ForeignKeyConstraint(["guardian_id"], ["person.person_id"], name="fk_guardian_choice_guardian"),
    )

    school_id: UUID = column(key=True)
    student_id: UUID = column(key=True)
    guardian_id: UUID = column(key=True)
    guardian: bool  # false: the school says that this person is none
    added: bool  # by the school and not by a roster
    custody: bool
    billing: bool
    emergency: bool
    rank: int = column(SmallInteger)

"""Reports that were requested, and their files."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import SQLModel

from reports.tables.base import ReportsTable
from shared.events.reports import ReportKind, ReportLanguage
from shared.persistence.schema import column


class ReportShown(SQLModel):
    """What is shown of a report as it is stored."""

    school_id: UUID
    kind: ReportKind = column(Text)
    student_id: UUID | None
    grade: str | None  # the grade whose students' progress is reported
    starts: dt.date
    ends: dt.date  # the first day after the period
    formats: list[str] = column(ARRAY(Text))
    language: ReportLanguage = column(Text)
    state: str = column(default="'waiting'")
    task_id: UUID
    requested_by: UUID | None
    requested_at: dt.datetime
    replaces: UUID | None  # the report that this one corrects
    reason: str
    smallest_count: int | None  # of a version to share: smaller counts are not shown
    ready_at: dt.datetime | None
    template: str | None


class ReportRow(ReportShown, ReportsTable, table=True):
    """A report. Its three offsets are set once, when its work begins: a later attempt says the same."""

    __table_args__ = (
        CheckConstraint("kind IN ('monthly', 'student_progress', 'grade_progress')", name="ck_report_kind"),
        CheckConstraint("state IN ('waiting', 'ready', 'failed', 'cancelled')", name="ck_report_state"),
        CheckConstraint("ends > starts", name="ck_report_ends"),
        Index("ix_report_school_id", "school_id", "report_id"),
        Index("ix_report_requested_at", "requested_at"),
        Index("ix_report_student_id", "student_id", postgresql_where=text("student_id IS NOT NULL")),
        Index("uq_report_task_id", "task_id", unique=True),
        Index(
            "ix_report_unclean", "report_id", postgresql_where=text("state IN ('failed', 'cancelled') AND NOT clean")
        ),
    )

    report_id: UUID = column(key=True)
    forced: bool
    directory_version: int = column(BigInteger)
    awaits: dict[str, Any] = column(JSONB)  # record → version: what must have arrived before the work begins
    directory_offset: int | None = column(BigInteger)
    records_offset: int | None = column(BigInteger)
    work_offset: int | None = column(BigInteger)
    same_as: UUID | None  # an equal report that was made before; its files are this one's
    erased: int = column(BigInteger, default="0")  # the erasures of its school that its files were drawn after
    clean: bool = column(default="false")  # of a failed one: no file is left in the store


class SchoolErasureRow(ReportsTable, table=True):
    """What was erased of a school's students. The sum only rises; a report knows the sum that it was drawn after."""

    school_id: UUID = column(key=True)
    erased: int = column(BigInteger)  # students who have no name or text in the facts any more
    emptied: int = column(BigInteger, default="0")  # times that names or texts were removed from the facts


class ReportFileShown(SQLModel):
    """What is shown of a file as it is stored."""

    format: str = column(key=True)
    media_type: str
    size: int = column(BigInteger)
    sha256: str


class ReportFileRow(ReportFileShown, ReportsTable, table=True):
    """A file of a report in the store of blobs."""

    report_id: UUID = column(key=True, references="report.report_id")
    school_id: UUID
    blob: str

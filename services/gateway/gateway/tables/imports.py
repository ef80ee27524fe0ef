"""Roster imports: the uploaded files, and the rows that could not be used."""

import datetime as dt
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, PrimaryKeyConstraint
from sqlmodel import SQLModel

from gateway.tables.base import GatewayTable
from shared.persistence.schema import column


class ImportJobRow(GatewayTable, table=True):
    """An import and the lease of the worker that does it."""

    task_id: UUID = column(key=True)
    content: bytes | None  # of uploads before there were parts
    leased_until: dt.datetime = column(default="'-infinity'")
    lease: UUID | None
    finished_at: dt.datetime | None
    attempts: int = column(default="0")
    source: str = column(default="''")  # as the request names it; '': the manifest does
    dry_run: bool = column(default="false")
    waiting: bool = column(default="false")  # it would end many people and is not confirmed
    confirmed: bool = column(default="false")
    by_key: bool = column(default="false")  # by a program, which makes no administrators


class ImportPartRow(GatewayTable, table=True):
    """A part of the file that was uploaded for an import."""

    __table_args__ = (ForeignKeyConstraint(["task_id"], ["import_job.task_id"], name="fk_import_part_job"),)

    task_id: UUID = column(key=True)
    number: int = column(key=True)
    content: bytes


class ImportRejectionShown(SQLModel):
    """The fields of a rejected row that answers show as they are stored."""

    number: int
    file: str
    line: int
    column: str
    reason: str
    scope: str


class ImportRejectionRow(ImportRejectionShown, GatewayTable, table=True):
    """A row of a roster that an import could not use, and why."""

    __table_args__ = (
        PrimaryKeyConstraint("task_id", "number"),
        ForeignKeyConstraint(["task_id"], ["import_job.task_id"], name="fk_import_rejection_job"),
    )

    task_id: UUID

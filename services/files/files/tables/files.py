"""Files, and what each reading of a file found."""

import datetime as dt
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKeyConstraint, Index, PrimaryKeyConstraint, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import SQLModel

from files.tables.base import FilesTable
from shared.events.files import FileKind
from shared.persistence.schema import column

FileState = Literal["stored", "processed", "refused", "needs_review", "confirmed"]


class FileShown(SQLModel):
    """What lists show of a file."""

    school_id: UUID
    kind: FileKind = column(Text)
    version: int = column(BigInteger, default="1")  # rises with every change and is the ETag
    name: str
    media_type: str  # by the content; until it is read, by the sender
    size: int = column(BigInteger)
    sha256: str
    duplicate_of: UUID | None
    student_id: UUID | None  # as named at the upload, as found, or as confirmed
    uploaded_by: UUID | None
    uploaded_at: dt.datetime
    task_id: UUID  # of the last reading
    revision: int = column(default="0")  # the reading that `state` follows from; 0 before the first
    code: str | None  # why it was refused
    message: str | None
    reasons: list[str] = column(ARRAY(Text), default="'{}'")  # what a person has to look at
    similar_to: UUID | None  # an earlier file that seems to be the same document
    pages: int | None
    confirmed_by: UUID | None
    confirmed_at: dt.datetime | None
    deleted_at: dt.datetime | None


class FileRow(FileShown, FilesTable, table=True):
    """A file, from its upload until it is purged."""

    __table_args__ = (
        CheckConstraint(
            "state IN ('stored', 'processed', 'refused', 'needs_review', 'confirmed')", name="ck_file_state"
        ),
        Index("ix_file_school_id", "school_id", "file_id"),
        Index("ix_file_task_id", "task_id"),
        Index("ix_file_fingerprint", "school_id", "fingerprint", postgresql_where=text("fingerprint IS NOT NULL")),
        Index("ix_file_deleted_at", "deleted_at", postgresql_where=text("deleted_at IS NOT NULL")),
    )

    file_id: UUID = column(key=True)
    state: FileState = column(Text, default="'stored'")
    named_student_id: UUID | None  # at the upload
    uploader_role: str | None
    directory_version: int = column(BigInteger, default="0")
    thumbnails: list[str] = column(ARRAY(Text), default="'{}'")  # widths, each a blob beside the original
    records: list[Any] | None = column(JSONB)  # what was recorded: by `processed` or by `confirmed`
    fingerprint: str | None  # of what a receipt says, to find the same receipt in another picture
    deleted_by: UUID | None
    purging_at: dt.datetime | None  # its blobs are being removed: it cannot be restored any more
    changed_at: dt.datetime = column(default="clock_timestamp()")


class ReadingRow(FilesTable, table=True):
    """What one reading of a file found. A later reading never changes an earlier one."""

    __table_args__ = (
        PrimaryKeyConstraint("file_id", "revision"),
        ForeignKeyConstraint(["file_id"], ["file.file_id"], name="fk_reading_file", ondelete="CASCADE"),
    )

    file_id: UUID
    revision: int
    school_id: UUID
    media_type: str
    fields: dict[str, Any] = column(JSONB)
    rows: list[Any] = column(JSONB)
    notices: list[str] = column(ARRAY(Text), default="'{}'")
    read_at: dt.datetime = column(default="clock_timestamp()")


class TombstoneRow(FilesTable, table=True):
    """A deletion that arrived before its upload, which then is stored as deleted and never read."""

    file_id: UUID = column(key=True)
    school_id: UUID
    deleted_by: UUID | None
    deleted_at: dt.datetime = column(default="clock_timestamp()")

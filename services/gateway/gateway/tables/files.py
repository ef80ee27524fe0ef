"""Uploaded files, as far as the gateway has to know them; what they say belongs to the file service."""

import datetime as dt
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, Text, text

from gateway.tables.base import GatewayTable
from shared.events.files import FileKind
from shared.persistence.schema import column


class UploadRow(GatewayTable, table=True):
    """An upload: `receiving` under a lease until its blob is stored, then `stored`; `abandoned` before it is removed.

    It has no name of the file and nothing of its content.
    """

    __table_args__ = (
        CheckConstraint("state IN ('receiving', 'stored', 'abandoned')", name="ck_upload_state"),
        CheckConstraint("kind IN ('transcript', 'behavior_report', 'payment_receipt', 'other')", name="ck_upload_kind"),
        Index("ix_upload_sha256", "school_id", "sha256", "file_id"),
        Index("ix_upload_leased_until", "leased_until", postgresql_where=text("state <> 'stored'")),
        Index("ix_upload_space", "school_id", postgresql_include=["size"], postgresql_where=text("deleted_at IS NULL")),
    )

    file_id: UUID = column(key=True)
    school_id: UUID
    student_id: UUID | None
    kind: FileKind = column(Text)
    state: str = column(default="'receiving'")
    leased_until: dt.datetime
    size: int = column(BigInteger)
    sha256: str  # of the bytes as they were uploaded
    duplicate_of: UUID | None  # the first file of the school with the same bytes that was not deleted
    task_id: UUID
    uploaded_by: UUID | None
    created_at: dt.datetime = column(default="clock_timestamp()")
    deleted_at: dt.datetime | None
    version: int = column(BigInteger, default="0")  # of the newest deletion or restoring that the file service reported

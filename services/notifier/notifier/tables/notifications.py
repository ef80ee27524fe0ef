"""Notifications, their words by language, and templates."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import SQLModel

from notifier.tables.base import NotifierTable
from shared.persistence.schema import column


class NotificationShown(SQLModel):
    """What is shown of a notification as it is stored."""

    notification_id: UUID = column(key=True)
    task_id: UUID  # of the latest round
    school_id: UUID
    kind: str
    state: str
    urgent: bool
    channels: list[str] = column(ARRAY(Text))
    title: str
    planned: int = column(default="0")  # deliveries of all rounds, suppressed ones included
    outstanding: int = column(default="0")  # deliveries that have not ended
    requested_at: dt.datetime
    expires_at: dt.datetime | None
    completed_at: dt.datetime | None
    error: str | None


class NotificationRow(NotificationShown, NotifierTable, table=True):
    """A notification: its text, its recipients and its progress."""

    __table_args__ = (
        CheckConstraint(
            "state IN ('waiting', 'sending', 'completed', 'failed', 'cancelled')", name="ck_notification_state"
        ),
        CheckConstraint("outstanding >= 0", name="ck_notification_outstanding"),
        CheckConstraint("state <> 'completed' OR outstanding = 0", name="ck_notification_completed"),
        Index("ix_notification_school_id", "school_id", "notification_id"),
        Index("ix_notification_waiting", "received_at", postgresql_where=text("state = 'waiting'")),
        Index("ix_notification_origin", "school_id", "origin", postgresql_where=text("origin IS NOT NULL")),
        Index("ix_notification_group_id", "group_id", postgresql_where=text("group_id IS NOT NULL")),
        Index("ix_notification_escalates", "escalates", postgresql_where=text("escalates IS NOT NULL")),
        Index("ix_notification_task_id", "task_id"),
        Index(
            "ix_notification_expires_at",
            "expires_at",
            postgresql_where=text("state = 'sending' AND expires_at IS NOT NULL"),
        ),
        Index(
            "ix_notification_stopping",
            "notification_id",
            postgresql_where=text("state = 'cancelled' AND completed_at IS NULL"),
        ),
        # People who were erased are looked for among the students that audiences name.
        Index(
            "ix_notification_students",
            text("(audience -> 'students'::text)"),
            postgresql_using="gin",
            postgresql_where=text("jsonb_typeof(audience -> 'students') = 'array'"),
        ),
    )

    audience: dict[str, Any] = column(JSONB)
    body: str
    data: dict[str, Any] = column(JSONB)
    template: str | None
    template_version: int | None
    variables: dict[str, Any] = column(JSONB, default="'{}'")

    directory_version: int = column(BigInteger)  # the directory has to have come this far before it is planned
    group_id: UUID | None  # of a send to several schools
    origin: str | None  # the record that it is about, and its version; a correction replaces an older one
    origin_version: int = column(default="0")
    correction: bool = column(default="false")
    retracted_at: dt.datetime | None  # a notification about a newer version of the record replaces it
    escalation: dict[str, Any] | None = column(JSONB)  # how it goes on until it is read
    escalates: UUID | None  # the notification that had not been read when this one was made

    requested_by: UUID | None
    received_at: dt.datetime = column(default="clock_timestamp()")
    round: int = column(default="1")  # rises when it is sent again
    round_planned: int = column(default="0")
    tombstone: bool = column(default="false")  # it was cancelled before it was known here
    warning: str | None
    told_at: dt.datetime | None  # when progress was last reported


class RenderingRow(NotifierTable, table=True):
    """The words of a notification in a language that some of its people are addressed in."""

    notification_id: UUID = column(key=True, references="notification.notification_id")
    language: str = column(key=True)
    school_id: UUID
    spoken: str  # the language of the words, where there are none in `language`
    title: str
    body: str
    html: str | None
    push_title: str
    push_body: str


class TemplateRow(NotifierTable, table=True):
    """A version of a school's own template; versions are never changed, the highest is in force."""

    school_id: UUID = column(key=True)
    name: str = column(key=True)
    version: int = column(key=True)
    variables: list[str] = column(ARRAY(Text))
    texts: dict[str, Any] | None = column(JSONB)  # none once it is deleted
    changed_by: UUID | None
    changed_at: dt.datetime = column(default="clock_timestamp()")

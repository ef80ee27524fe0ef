"""Escalations: people who are asked one after the other until one of them has read a notification."""

import datetime as dt
from typing import Literal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, PrimaryKeyConstraint, Text, text
from sqlmodel import SQLModel

from notifier.tables.base import NotifierTable
from shared.persistence.schema import column


class EscalationShown(SQLModel):
    """What is shown of a case as it is stored."""

    about: UUID
    state: Literal["open", "reached", "missed", "stopped"] = column(Text, default="'open'")
    due_at: dt.datetime
    deadline: dt.datetime | None
    reached_by: UUID | None
    ended_at: dt.datetime | None


class EscalationRow(EscalationShown, NotifierTable, table=True):
    """A case: a student for whom a guardian must be reached, or a person where no student is meant."""

    __table_args__ = (
        PrimaryKeyConstraint("notification_id", "about"),
        CheckConstraint("state IN ('open', 'reached', 'missed', 'stopped')", name="ck_escalation_state"),
        CheckConstraint("(state = 'open') = (ended_at IS NULL)", name="ck_escalation_ended"),
        Index("ix_escalation_due", "due_at", postgresql_where=text("state = 'open'")),
    )

    notification_id: UUID = column(references="notification.notification_id")
    school_id: UUID
    step: int = column(default="0")


class EscalationPersonRow(NotifierTable, table=True):
    """A person who was asked in such a case, and at which step."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["notification_id", "about"],
            ["escalation.notification_id", "escalation.about"],
            name="fk_escalation_person_case",
        ),
        Index("ix_escalation_person", "notification_id", "person_id"),
    )

    notification_id: UUID = column(key=True)
    about: UUID = column(key=True)
    person_id: UUID = column(key=True)
    school_id: UUID
    step: str
    asked_at: dt.datetime = column(default="clock_timestamp()")

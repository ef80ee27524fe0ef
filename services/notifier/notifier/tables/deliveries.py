"""Deliveries, the calls to providers, and the windows in which they are made."""

import datetime as dt
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, UniqueConstraint, text

from notifier.tables.base import NotifierTable
from shared.persistence.schema import column


class DeliveryRow(NotifierTable, table=True):
    """A notification for one person by one channel at one address, in one round; a trigger guards how `state` moves."""

    __table_args__ = (
        UniqueConstraint("notification_id", "person_id", "channel", "address", "round", name="uq_delivery"),
        CheckConstraint("channel IN ('push', 'mail', 'inbox')", name="ck_delivery_channel"),
        CheckConstraint(
            "state IN ('pending', 'held', 'sending', 'accepted', 'failed', 'suppressed', 'cancelled', 'expired', "
            "'unknown', 'read')",
            name="ck_delivery_state",
        ),
        CheckConstraint("(state = 'sending') = (lease IS NOT NULL)", name="ck_delivery_lease"),
        Index("ix_delivery_due", "notification_id", "channel", "due_at", postgresql_where=text("state = 'pending'")),
        Index("ix_delivery_leased", "leased_until", postgresql_where=text("state = 'sending'")),
        Index("ix_delivery_held", "due_at", postgresql_where=text("state = 'held'")),
        Index(
            "ix_delivery_digest_due",
            "school_id",
            "channel",
            "due_at",
            postgresql_where=text("state = 'pending' AND digest IS NOT NULL"),
        ),
        Index("ix_delivery_digest", "digest", postgresql_where=text("digest IS NOT NULL")),
    )

    delivery_id: int = column(BigInteger, key=True, generated=True)
    notification_id: UUID = column(references="notification.notification_id")
    school_id: UUID
    person_id: UUID
    channel: str
    address: str  # '' where the channel needs none, or the person has none
    round: int = column(default="1")
    state: str
    reason: str | None
    attempts: int = column(default="0", comment="calls to the provider")
    silent: int = column(default="0", comment="those of them that were never answered: each may have been taken")
    patient: int = column(
        default="0", comment="calls that are not held against it: throttled, or refused for our configuration"
    )
    due_at: dt.datetime = column(default="clock_timestamp()")
    lease: UUID | None
    leased_until: dt.datetime | None
    provider_id: str | None
    digest: UUID | None = column(comment="goes out together with the other rows of this digest")
    released_at: dt.datetime | None = column(comment="when quiet hours were to let it go, once they have")
    changed_at: dt.datetime = column(default="clock_timestamp()")
    held_zone: str | None = column(comment="the time zone that quiet hours held it in")


class AttemptRow(NotifierTable, table=True):
    """A call to a provider for a delivery."""

    delivery_id: int = column(BigInteger, key=True, references="delivery.delivery_id")
    number: int = column(key=True)
    school_id: UUID
    started_at: dt.datetime = column(default="clock_timestamp()")
    ended_at: dt.datetime | None
    outcome: str | None  # none while it is under way
    reason: str | None


class ReleaseRow(NotifierTable, table=True):
    """The sending of a notification on one channel: until when its latest permit holds."""

    notification_id: UUID = column(key=True, references="notification.notification_id")
    channel: str = column(key=True)
    lane: str
    permitted_until: dt.datetime


class DigestWindowRow(NotifierTable, table=True):
    """The sending of a school's digests on one channel: until when its latest permit holds."""

    school_id: UUID = column(key=True)
    channel: str = column(key=True)
    permitted_until: dt.datetime


class UrgentRateRow(NotifierTable, table=True):
    """How many urgent sends of a school have been planned since `began`; those about safety are counted apart."""

    __tablename__ = "urgent_rate"

    school_id: UUID = column(key=True)
    safety: bool = column(key=True)
    began: dt.datetime
    used: int


class GroupAddressRow(NotifierTable, table=True):
    """An address that a send to several schools writes to once, by the notification that wrote the row first."""

    group_id: UUID = column(key=True)
    channel: str = column(key=True)
    address: str = column(key=True)
    notification_id: UUID
    school_id: UUID

"""Accounts: the names and secrets that people sign in with, their sessions, and the group's administrators."""

import datetime as dt
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlmodel import SQLModel

from gateway.tables.base import GatewayTable
from shared.persistence.schema import column


class AccountRow(GatewayTable, table=True):
    """A person who can sign in."""

    person_id: UUID = column(key=True, references="person.person_id")
    hash: str | None  # argon2id; without one the person signs in with Firebase only
    firebase_uid: str | None = column(unique=True)
    sign_in_address: str | None = column(unique=True)  # verified; not a contact, so no school's entry changes it
    school_id: UUID | None  # the school on whose word the account stands: it opens that school only
    changed_at: dt.datetime = column(default="clock_timestamp()")


class AccountNameRow(GatewayTable, table=True):
    """A name to sign in with; user names and addresses share one space, so that no name is another's address."""

    __table_args__ = (
        CheckConstraint("name = lower(name)", name="ck_account_name_lower"),
        Index("ix_account_name_person_id", "person_id"),
    )

    name: str = column(key=True)
    person_id: UUID = column(references="account.person_id")


class AdministratorShown(SQLModel):
    """The fields of an administrator that answers show as they are stored."""

    person_id: UUID = column(key=True, references="person.person_id")
    since: dt.datetime = column(default="clock_timestamp()")


class AdministratorRow(AdministratorShown, GatewayTable, table=True):
    """A person who administers the whole group."""


class InvitationRow(GatewayTable, table=True):
    """A token with which a person sets a name and a password, once."""

    __table_args__ = (Index("ix_invitation_person_id", "person_id"),)

    hash: bytes = column(key=True)
    person_id: UUID = column(references="person.person_id")
    school_id: UUID | None  # the school that invited; NULL: the group
    expires_at: dt.datetime
    used_at: dt.datetime | None


class RefreshTokenRow(GatewayTable, table=True):
    """A refresh token; each refresh makes a new one of the same family."""

    __table_args__ = (
        Index("ix_refresh_token_family", "family"),
        Index("ix_refresh_token_person_id", "person_id"),
    )

    hash: bytes = column(key=True)
    family: UUID  # ends as a whole when one of its tokens comes twice, because that one was stolen
    person_id: UUID = column(references="person.person_id")
    role: str
    school_id: UUID | None
    issued_at: dt.datetime = column(default="clock_timestamp()")
    expires_at: dt.datetime
    used_at: dt.datetime | None
    revoked_at: dt.datetime | None


class SignInFailureRow(GatewayTable, table=True):
    """Failed sign-ins with a name, whether or not an account has it."""

    name_hash: bytes = column(key=True)
    failures: int
    blocked_until: dt.datetime
    last_at: dt.datetime = column(default="clock_timestamp()")

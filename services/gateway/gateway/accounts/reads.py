"""Answers about administrators, the audit and API keys, and the statements that select them."""

from uuid import UUID

from pydantic import BaseModel
from sqlmodel import and_, col, func, or_

from gateway.tables import (
    AdministratorRow,
    AdministratorShown,
    ApiKeyRow,
    ApiKeyShown,
    AuditRow,
    AuditShown,
    PersonRow,
)
from shared.persistence.query import Query, given, showing

FIRST_REFUSAL = 400
"""Of the statuses that were answered."""


class Administrator(AdministratorShown):
    """A person who administers the whole group."""

    given_name: str
    family_name: str


class AdministratorPage(BaseModel):
    """By id; pass `next` as `after` to go on."""

    items: list[Administrator]
    next: UUID | None


class Act(AuditShown):
    """One row of the audit. `action` is method and route, `subject` the ids in it, `status` that of the answer."""

    id: UUID


class ActPage(BaseModel):
    """Newest first; pass `next` as `after` to go on."""

    items: list[Act]
    next: UUID | None


class Key(ApiKeyShown):
    """A key without its secret; `hint` is the secret's end."""

    id: UUID


class NewKey(Key):
    """A new key; `secret` is shown this once and goes into requests as a bearer token."""

    secret: str


class KeyPage(BaseModel):
    """Newest first; pass `next` as `after` to go on."""

    items: list[Key]
    next: UUID | None


LIST_ADMINISTRATORS = Query(
    Administrator,
    showing(Administrator, AdministratorRow, given_name=PersonRow.given_name, family_name=PersonRow.family_name)
    .join(PersonRow, col(PersonRow.person_id) == AdministratorRow.person_id)
    .order_by(col(AdministratorRow.person_id))
    .limit(given("limit")),
    after=col(AdministratorRow.person_id) > given("after"),
)
"""By id."""

LIST_ACTS = Query(
    Act,
    showing(Act, AuditRow, id=AuditRow.audit_id).order_by(col(AuditRow.audit_id).desc()).limit(given("limit")),
    school=col(AuditRow.school_id) == given("school"),
    person=col(AuditRow.person_id) == given("person"),
    key=col(AuditRow.key_id) == given("key"),
    action=col(AuditRow.action) == given("action"),
    since=col(AuditRow.at) >= given("since"),
    until=col(AuditRow.at) < given("until"),
    refused=col(AuditRow.status) >= FIRST_REFUSAL,
    after=col(AuditRow.audit_id) < given("after"),
)
"""Newest first."""

READ_KEY = Query(
    Key, showing(Key, ApiKeyRow, id=ApiKeyRow.key_id).where(col(ApiKeyRow.key_id) == given("id")).with_for_update()
)
"""Locked, so that its version holds until the commit."""
LIST_KEYS = Query(
    Key,
    showing(Key, ApiKeyRow, id=ApiKeyRow.key_id).order_by(col(ApiKeyRow.key_id).desc()).limit(given("limit")),
    school=col(ApiKeyRow.school_id) == given("school"),
    usable=and_(
        col(ApiKeyRow.revoked_at).is_(None),
        or_(col(ApiKeyRow.expires_at).is_(None), col(ApiKeyRow.expires_at) > func.clock_timestamp()),
    ),
    after=col(ApiKeyRow.key_id) < given("after"),
)
"""Newest first."""

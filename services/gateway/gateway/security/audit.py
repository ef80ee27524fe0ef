"""The audit: actor, action, school, time and result of each act. Rows are only added."""

from dataclasses import dataclass, field
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from shared.transactions.unit_of_work import UnitOfWorkFactory

# Add an act.
INSERT_ACT = """
INSERT INTO audit (audit_id, school_id, person_id, role, key_id, action, subject, status, code)
VALUES (%(id)s, %(school)s, %(person)s, %(role)s, %(key)s, %(action)s, %(subject)s, %(status)s, %(code)s)
"""
# Count a refused attempt; the first ones of an hour are acts of their own.
COUNT_REFUSED = """
WITH counted AS (
    INSERT INTO refused_attempt AS r (actor, action, status, hour, attempts)
    VALUES (%(actor)s, %(action)s, %(status)s, date_trunc('hour', clock_timestamp()), 1)
    ON CONFLICT (actor, action, status, hour)
        DO UPDATE SET attempts = r.attempts + 1, last_at = clock_timestamp()
    RETURNING attempts
)
INSERT INTO audit (audit_id, school_id, person_id, role, key_id, action, subject, status, code)
SELECT %(id)s, %(school)s, %(person)s, %(role)s, %(key)s, %(action)s, %(subject)s, %(status)s, %(code)s
FROM counted WHERE attempts <= %(stored)s
"""
# Delete the counts of a year ago.
DELETE_COUNTS = "DELETE FROM refused_attempt WHERE hour < clock_timestamp() - interval '366 days'"

FIRST_REFUSAL = 400
STORED = 5
"""Refused attempts of one actor with one action that are stored as acts, in an hour."""


@dataclass(slots=True)
class AuditContext:
    """The fields that a route adds to the audit row of its request: the school it is about, and ids."""

    school: UUID | None = None
    subject: dict[str, str] = field(default_factory=dict)
    code: str | None = None
    """Of the problem that was answered."""


async def audit_context(request: Request) -> AuditContext:
    """Return the context of this request, from admission."""
    context: AuditContext = request.state.audit
    return context


Audited = Annotated[AuditContext, Depends(audit_context)]


async def note(
    rows: UnitOfWorkFactory,
    action: str,
    *,
    status: int,
    subject: dict[str, Any] | None = None,
    code: str | None = None,
    person: UUID | None = None,
    role: str | None = None,
    school: UUID | None = None,
    key: UUID | None = None,
) -> None:
    """Add a row in a commit of its own. Refused attempts are counted; the first of an hour are rows too."""
    values = {
        "id": uuid7(),
        "school": school,
        "person": person,
        "role": role,
        "key": key,
        "action": action,
        "subject": Jsonb(subject or {}),
        "status": status,
        "code": code,
    }
    statement = INSERT_ACT
    if status >= FIRST_REFUSAL:
        statement = COUNT_REFUSED
        values |= {"actor": f"key {key}" if key else f"person {person}" if person else "-", "stored": STORED}
    async with rows.database.worker() as connection:
        await connection.execute(statement, values)


async def forget_counts(rows: UnitOfWorkFactory) -> None:
    """Delete counts of refused attempts that are older than a year."""
    async with rows.begin() as tx:
        await tx.execute(DELETE_COUNTS)

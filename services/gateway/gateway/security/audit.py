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


@dataclass(slots=True)
class AuditContext:
    """The fields that a route adds to the audit row of its request: the school it is about, and ids."""

    school: UUID | None = None
    subject: dict[str, str] = field(default_factory=dict)


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
    """Add a row in a commit of its own."""
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
    async with rows.database.worker() as connection:
        await connection.execute(INSERT_ACT, values)

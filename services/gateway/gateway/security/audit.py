"""The audit: who did what to which school's things, when, and what came of it. Rows are only ever added."""

from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

ADD = """
INSERT INTO audit (audit_id, school_id, person_id, role, key_id, action, subject, status, code)
VALUES (%(id)s, %(school)s, %(person)s, %(role)s, %(key)s, %(action)s, %(subject)s, %(status)s, %(code)s)
"""
PAGE = """
SELECT audit_id AS id, at, school_id, person_id, role, key_id, action, subject, status, code FROM audit
WHERE (%(school)s::uuid IS NULL OR school_id = %(school)s) AND (%(person)s::uuid IS NULL OR person_id = %(person)s)
  AND (%(action)s::text IS NULL OR action = %(action)s) AND (%(key)s::uuid IS NULL OR key_id = %(key)s)
  AND (%(since)s::timestamptz IS NULL OR at >= %(since)s) AND (%(until)s::timestamptz IS NULL OR at < %(until)s)
  AND (NOT %(refused)s OR status >= 400) AND (%(after)s::uuid IS NULL OR audit_id < %(after)s)
ORDER BY audit_id DESC LIMIT %(limit)s
"""


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
        await connection.execute(ADD, values)


async def page(tx: UnitOfWork, values: dict[str, Any]) -> list[dict[str, Any]]:
    """Newest first."""
    return await tx.rows(PAGE, values)

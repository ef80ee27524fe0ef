"""The audit: who did what to which school's things, when, and what came of it. Rows are only ever added."""

from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from shared.transactions.unit_of_work import UnitOfWorkFactory

ADD = """
INSERT INTO audit (audit_id, school_id, person_id, role, key_id, action, subject, status, code)
VALUES (%(id)s, %(school)s, %(person)s, %(role)s, %(key)s, %(action)s, %(subject)s, %(status)s, %(code)s)
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

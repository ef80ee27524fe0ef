"""Names of schools, for pages of the whole group."""

from collections.abc import Iterable
from uuid import UUID

from shared.transactions.unit_of_work import UnitOfWork

# Select the names of schools.
SELECT_SCHOOL_NAMES = "SELECT school_id, name FROM school WHERE school_id = ANY(%(schools)s)"


async def school_names_of(tx: UnitOfWork, schools: Iterable[str]) -> dict[str, str]:
    """Return the names of schools by their id, as text."""
    found = await tx.rows(SELECT_SCHOOL_NAMES, {"schools": [UUID(each) for each in schools]})
    return {str(row["school_id"]): row["name"] for row in found}

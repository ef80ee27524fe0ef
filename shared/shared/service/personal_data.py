"""Reads what a service stores about one person at one school, for an export; each service names its statements."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from shared.http.internal_auth import InternalCaller, internal_caller, transactions
from shared.http.provided import Provided
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

MOST_ROWS = 10_000
"""Rows of one part: an export stays small enough for the memory of a process."""

router = APIRouter(prefix="/personal-data", include_in_schema=False)


class PersonalRows(BaseModel):
    """Rows by the name of their part, the newest first. `cut` names parts that have more rows than are shown."""

    parts: dict[str, list[dict[str, Any]]]
    cut: list[str]


@dataclass(frozen=True, slots=True)
class PersonalData:
    """Statements by the name of their part; each has the parameters `person`, `school` and `limit`."""

    statements: Mapping[str, str]

    async def read(self, tx: UnitOfWork, person: UUID, school: UUID | None) -> PersonalRows:
        """Read all parts in one transaction."""
        values = {"person": person, "school": school, "limit": MOST_ROWS + 1}
        found = {name: await tx.rows(statement, values) for name, statement in self.statements.items()}
        cut = [name for name, rows in found.items() if len(rows) > MOST_ROWS]
        return PersonalRows(parts={name: rows[:MOST_ROWS] for name, rows in found.items()}, cut=cut)


@router.get("/{person_id}")
async def read(
    person_id: UUID,
    who: Annotated[InternalCaller, Depends(internal_caller)],
    rows: Annotated[UnitOfWorkFactory, Depends(transactions)],
    data: Annotated[PersonalData, Depends(Provided(PersonalData))],
) -> PersonalRows:
    """Return what this service stores about a person at the school of the token."""
    async with rows.request(who.school) as tx:
        return await data.read(tx, person_id, who.school)

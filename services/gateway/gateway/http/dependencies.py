"""Dependencies of routes of every feature: transactions, other services, settings, the school of a request."""

from contextlib import AbstractAsyncContextManager
from typing import Annotated
from uuid import UUID

from fastapi import Depends

from gateway.http.fields import Wanted
from gateway.http.service_client import ServiceClients
from gateway.problems import Problem
from gateway.security.audit import Audited
from gateway.security.caller import Caller, CurrentCaller
from gateway.settings import Settings
from shared.http.provided import Provided
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

Rows = Annotated[UnitOfWorkFactory, Depends(Provided(UnitOfWorkFactory))]
Services = Annotated[ServiceClients, Depends(Provided(ServiceClients))]
Configured = Annotated[Settings, Depends(Provided(Settings))]

# Select a school by its sourcedId.
SELECT_SCHOOL_BY_SOURCED_ID = "SELECT school_id FROM school WHERE sourced_id = %(name)s"


async def school_of(rows: UnitOfWorkFactory, caller: Caller, named: str | None) -> UUID:
    """Return the school of a request: the token's, or for administrators of the group the named one."""
    if not caller.everywhere:
        assert caller.school is not None
        if named not in (None, str(caller.school)):
            async with rows.request(caller.school) as tx:
                row = await tx.row(SELECT_SCHOOL_BY_SOURCED_ID, {"name": named})
            if row is None:
                raise Problem(404, "unknown_school")
        return caller.school
    if named is None:
        if caller.school is None:
            raise Problem(400, "school_needed")
        return caller.school
    try:
        return UUID(named)
    except ValueError:
        async with rows.begin() as tx:
            row = await tx.row(SELECT_SCHOOL_BY_SOURCED_ID, {"name": named})
        if row is None:
            raise Problem(404, "unknown_school") from None
        found: UUID = row["school_id"]
        return found


def one_school(body: str | None, query: str | None) -> str | None:
    """Return the school that a request names in its query or in its body; 422 when the two differ."""
    if body is not None and query is not None and body != query:
        errors = [{"loc": ["query", "school"], "code": "conflict", "message": "differs from the school in the body"}]
        raise Problem(422, "invalid", errors=errors)
    return body if query is None else query


def seen_by(rows: UnitOfWorkFactory, caller: Caller) -> AbstractAsyncContextManager[UnitOfWork]:
    """Begin a transaction that sees the caller's school, or all schools for a caller of the whole group."""
    return rows.begin() if caller.everywhere else rows.request(caller.school)


async def _in_school(caller: CurrentCaller, rows: Rows, audited: Audited, school: Wanted = None) -> UUID:
    audited.school = found = await school_of(rows, caller, school)
    return found


InSchool = Annotated[UUID, Depends(_in_school)]
"""The school of a request: the token's own; a caller of the whole group names it in `?school=`."""

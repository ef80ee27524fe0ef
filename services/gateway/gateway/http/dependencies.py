"""What routes ask for: transactions, owners, what signing in takes, the caller's school."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from gateway.accounts.api_keys import Keys
from gateway.accounts.firebase import Firebase
from gateway.accounts.passwords import Failures, Passwords
from gateway.accounts.sessions import Sessions
from gateway.http.fields import Wanted
from gateway.http.service_client import ServiceClients
from gateway.problems import Problem
from gateway.security.access_control import Caller, Known
from gateway.sends.batch_accept import BatchAcceptor
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory


@dataclass(frozen=True, slots=True)
class Tools:
    """What signing in takes."""

    sessions: Sessions
    passwords: Passwords
    failures: Failures
    firebase: Firebase
    keys: Keys


async def transactions(request: Request) -> UnitOfWorkFactory:
    """The service's transactions."""
    found: UnitOfWorkFactory = request.app.state.service.transactions
    return found


async def _owners(request: Request) -> ServiceClients:
    found: ServiceClients = request.app.state.owners
    return found


async def intake(request: Request) -> BatchAcceptor:
    """Where sends are taken in."""
    found: BatchAcceptor = request.app.state.intake
    return found


async def _tools(request: Request) -> Tools:
    found: Tools = request.app.state.tools
    return found


Rows = Annotated[UnitOfWorkFactory, Depends(transactions)]
Services = Annotated[ServiceClients, Depends(_owners)]
Sends = Annotated[BatchAcceptor, Depends(intake)]
SignInTools = Annotated[Tools, Depends(_tools)]

SCHOOL_BY_SOURCED_ID = "SELECT school_id FROM school WHERE sourced_id = %(name)s"


async def school_of(rows: UnitOfWorkFactory, caller: Caller, named: str | None) -> UUID:
    """The school that a request is about: the token's, or for the whole group's administrators the one named."""
    caller.trail.school = found = await _school_of(rows, caller, named)
    return found


async def _school_of(rows: UnitOfWorkFactory, caller: Caller, named: str | None) -> UUID:
    if not caller.everywhere:
        assert caller.school is not None
        if named not in (None, str(caller.school)):
            async with rows.request(caller.school) as tx:
                row = await tx.row(SCHOOL_BY_SOURCED_ID, {"name": named})
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
            row = await tx.row(SCHOOL_BY_SOURCED_ID, {"name": named})
        if row is None:
            raise Problem(404, "unknown_school") from None
        found: UUID = row["school_id"]
        return found


def seen_by(rows: UnitOfWorkFactory, caller: Caller) -> AbstractAsyncContextManager[UnitOfWork]:
    """A transaction that sees what the caller may: one school, or all."""
    return rows.begin() if caller.everywhere else rows.request(caller.school)


async def _in_school(caller: Known, rows: Rows, school: Wanted = None) -> UUID:
    return await school_of(rows, caller, school)


InSchool = Annotated[UUID, Depends(_in_school)]
"""The school that a route is about: the token's own; who belongs to none names it in `?school=`."""

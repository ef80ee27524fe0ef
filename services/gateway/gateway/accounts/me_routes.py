"""`/v1/me`: the caller, and a ticket for streams that a browser opens."""

import datetime as dt
import time
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from gateway.accounts import accounts
from gateway.accounts.dependencies import Tools
from gateway.http.dependencies import Rows
from gateway.http.guarded_route import GuardedRoute
from gateway.problems import Problem
from gateway.security.access_control import EVERYBODY, allow
from gateway.security.caller import CurrentCaller
from shared.events.values import Role
from shared.http.tokens import Claims

router = APIRouter(prefix="/v1/me", tags=["me"], route_class=GuardedRoute)

TICKET_SECONDS = 30
"""A ticket stands in an address, which ends up in logs: it opens a stream at once or not at all."""
LONGEST_STREAM_SECONDS = 3600
# Select the names and the language of a person.
SELECT_SELF = """
SELECT person_id, given_name, family_name, language, timezone FROM person
WHERE person_id = %(person)s AND erased_at IS NULL
"""


class Place(BaseModel):
    """A role that the person has today; `school_id` is null for an administrator of the group."""

    school_id: UUID | None
    school: str | None
    role: Role


class Me(BaseModel):
    """The person of the token: `role` and `school_id` are the token's, `memberships` are all roles to choose from."""

    person_id: UUID
    given_name: str
    family_name: str
    language: str | None
    timezone: str | None
    role: Role
    school_id: UUID | None
    memberships: list[Place]


class Ticket(BaseModel):
    """A ticket for `?ticket=` of a stream; it has to be used within `expires_in` seconds."""

    ticket: str
    expires_in: int


@router.get("", dependencies=[allow(EVERYBODY, audience="person")])
async def me(caller: CurrentCaller, rows: Rows) -> Me:
    """Return who the caller is: name, language, and the roles at schools."""
    async with rows.begin() as tx:
        row = await tx.row(SELECT_SELF, {"person": caller.person})
        places = await tx.rows(accounts.SELECT_MEMBERSHIPS, {"person": caller.person})
    if row is None:
        raise Problem(404, "not_found")
    return Me(**row, role=caller.role, school_id=caller.school, memberships=[Place(**place) for place in places])


@router.post("/stream-tickets", status_code=201, dependencies=[allow(EVERYBODY, audience="person", audited=False)])
async def ticket(caller: CurrentCaller, tools: Tools) -> Ticket:
    """Make a ticket: browsers cannot send a header with an EventSource. The stream ends with the token that asked."""
    until = min(caller.until, time.time() + LONGEST_STREAM_SECONDS)
    claims = Claims(
        person=caller.person,
        role=caller.role,
        school=caller.school,
        use="stream",
        session=caller.session,
        signed_in=None if caller.signed_in is None else dt.datetime.fromtimestamp(caller.signed_in, dt.UTC),
        until=until,
    )
    signed = tools.sessions.ticket(claims, dt.timedelta(seconds=TICKET_SECONDS))
    return Ticket(ticket=signed, expires_in=TICKET_SECONDS)

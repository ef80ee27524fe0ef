"""`/v1/people/{person_id}/export`, `/v1/me/export`: all data of one person as one JSON document.

They are POST, because each export is an act of the audit.
"""

from uuid import UUID

from fastapi import APIRouter

from gateway.directory.personal_export import PersonalExport, gather
from gateway.http.dependencies import Rows, Services, school_of
from gateway.http.fields import Wanted
from gateway.http.guarded_route import GuardedRoute
from gateway.problems import Problem
from gateway.security.access_control import ADMINS, EVERYBODY, allow
from gateway.security.audit import Audited
from gateway.security.caller import CurrentCaller

router = APIRouter(prefix="/v1", tags=["people"], route_class=GuardedRoute)


@router.post("/people/{person_id}/export", dependencies=[allow(ADMINS)])
async def export(
    person_id: UUID, caller: CurrentCaller, rows: Rows, owners: Services, audited: Audited, school: Wanted = None
) -> PersonalExport:
    """Return all data of a person at a school; without a school, administrators of the group get all of them.

    An administrator of a school gets neither sessions nor devices.
    """
    where = None if caller.everywhere and school is None else await school_of(rows, caller, school)
    audited.school = where
    return await gather(rows, owners, caller, person_id, where, account=caller.everywhere)


@router.post("/me/export", dependencies=[allow(EVERYBODY, audience="person")])
async def export_mine(caller: CurrentCaller, rows: Rows, owners: Services, audited: Audited) -> PersonalExport:
    """Return all data of the caller at the school of the token, and the account."""
    if caller.person is None:
        raise Problem(403, "forbidden", "This token does not belong to a person.")
    audited.subject["person_id"] = str(caller.person)
    return await gather(rows, owners, caller, caller.person, caller.school, account=True)

"""Gathers an export of all data of one person: the gateway's tables, and what each owner answers for each school.

An owner that is unavailable ends the export with 503: a part that is missing without a word would look complete.
"""

import datetime as dt
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from gateway.directory import people_reads
from gateway.directory.personal_data import ACCOUNT_PARTS, FIND_SCHOOLS, SCHOOL_PARTS
from gateway.http.service_client import ServiceClients
from gateway.problems import Problem
from gateway.security.caller import Caller
from shared.service.personal_data import PersonalRows
from shared.transactions.unit_of_work import UnitOfWorkFactory

OWNERS = ("notifier", "files", "reports", "scheduler")
ABSENT = 404

Parts = dict[str, list[dict[str, Any]]]


class SchoolPart(BaseModel):
    """What the services store about the person at one school: service → part → rows, the newest first."""

    school_id: UUID
    services: dict[str, Parts]


class PersonalExport(BaseModel):
    """All data of one person. `cut` names parts of which only the newest 10,000 rows are shown.

    `account` is null for an administrator of a school.
    """

    person_id: UUID
    made_at: dt.datetime
    person: dict[str, Any]
    account: Parts | None
    schools: list[SchoolPart]
    cut: list[str]


async def gather(
    rows: UnitOfWorkFactory, owners: ServiceClients, caller: Caller, person: UUID, school: UUID | None, *, account: bool
) -> PersonalExport:
    """Gather the parts of one school, or of all that know the person. 404 for a person whom the school does not know.

    Raises Problem 503 while an owner is unavailable.
    """
    async with rows.begin() if school is None else rows.request(school) as tx:
        whole = await people_reads.person(tx, person)
    if whole is None:
        raise Problem(404, "not_found")
    export = PersonalExport(
        person_id=person, made_at=dt.datetime.now(dt.UTC), person=whole, account=None, schools=[], cut=[]
    )
    async with rows.begin() as tx:
        schools = [school] if school else [row["school_id"] for row in await tx.rows(FIND_SCHOOLS, {"person": person})]
        if account:
            found = await ACCOUNT_PARTS.read(tx, person, school)
            export.account = found.parts
            export.cut += [f"account.{name}" for name in found.cut]
    for each in schools:
        export.schools.append(await _of_school(rows, owners, caller, person, each, export.cut))
    return export


async def _of_school(
    rows: UnitOfWorkFactory, owners: ServiceClients, caller: Caller, person: UUID, school: UUID, cut: list[str]
) -> SchoolPart:
    async with rows.request(school) as tx:
        answers = {"gateway": await SCHOOL_PARTS.read(tx, person, school)}
    for owner in OWNERS:
        answer = await owners.get(owner, f"/personal-data/{person}", caller, school)
        if answer.status_code == ABSENT:  # a version from before exports
            raise Problem(503, "unavailable", f"The {owner} service is being replaced. Try again later.")
        answers[owner] = PersonalRows.model_validate(answer.json())
    cut += [f"{school}.{service}.{name}" for service, answer in answers.items() for name in answer.cut]
    return SchoolPart(school_id=school, services={service: answer.parts for service, answer in answers.items()})

"""`/v1/behavior-reports`, `/payments`, `/absences`, `/grades`, `/remarks`: the same routes for each kind of record."""

import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field, create_model
from uuid_utils.compat import uuid7

from gateway.http.dependencies import InSchool, Rows
from gateway.http.fields import Cursor, Key, Limit, Strict, Wanted
from gateway.http.idempotency import answered
from gateway.http.json_types import Day
from gateway.http.pagination import chosen, cursor, place
from gateway.problems import Problem
from gateway.records import records
from gateway.records.kinds import KINDS, Facts, RecordKind, stored
from gateway.records.records import Entry
from gateway.security.access_control import Caller, Known, reach
from shared.http.preconditions import NeededMatch, etag
from shared.transactions.unit_of_work import Transaction

MOST = 1000

PAGE = """
SELECT record_id AS id, student_id, facts, version, withdrawn, recorded_by, recorded_at, changed_at, day
FROM record WHERE school_id = %(school)s AND kind = %(kind)s AND {where}
ORDER BY day DESC, record_id DESC LIMIT %(limit)s
"""
CHOICES = {
    "id": "record_id = %(id)s",
    "student": "student_id = %(student)s",
    "status": "status = %(status)s",
    "since": "day >= %(since)s",
    "until": "day <= %(until)s",
    "withdrawn": "withdrawn = %(withdrawn)s",
    "custody": """student_id IN (SELECT g.student_id FROM guardianship g
        WHERE g.school_id = %(school)s AND g.guardian_id = %(custody)s AND g.custody)""",
    "billing": """student_id IN (SELECT g.student_id FROM guardianship g
        WHERE g.school_id = %(school)s AND g.guardian_id = %(billing)s AND g.billing)""",
    "self": "student_id = %(self)s",
    "after_day": "(day, record_id) < (%(after_day)s, %(after_id)s)",
}


class Record(BaseModel):
    """A record of a student; `version` is its ETag. What was withdrawn is still there, and says so."""

    id: UUID
    student_id: UUID
    version: int
    withdrawn: bool
    recorded_by: UUID | None
    recorded_at: dt.datetime
    changed_at: dt.datetime


class Recorded(BaseModel):
    """Ids of what was recorded, in the order asked for."""

    ids: list[UUID]


def routes(kind: RecordKind) -> APIRouter:
    """The routes of one kind."""
    name = kind.name.title()
    made: Any = create_model(f"{name}In", __base__=kind.facts, student_id=(UUID, ...))
    many: Any = create_model(f"{name}sIn", __base__=Strict, records=(list[made], Field(min_length=1, max_length=MOST)))
    correction: Any = kind.facts
    out: Any = create_model(f"{name}Record", __base__=Record, facts=(kind.facts, ...))
    page: Any = create_model(f"{name}Page", items=(list[out], ...), next=(str | None, ...))
    router = APIRouter(prefix=f"/v1/{kind.path}", tags=["records"])

    @router.post("", status_code=201, response_model=Recorded)
    async def record(
        body: made, caller: Known, rows: Rows, school: InSchool, response: Response, idempotency_key: Key = None
    ) -> dict[str, Any]:
        """Record something of one student. With an Idempotency-Key a repeat records nothing and answers the same."""
        answer = await _record(rows, caller, school, kind, [body], idempotency_key)
        response.headers["Location"] = f"/v1/{kind.path}/{answer['ids'][0]}"
        response.headers["ETag"] = etag(1)
        return answer

    @router.post(":bulk", status_code=201, response_model=Recorded)
    async def record_many(
        body: many, caller: Known, rows: Rows, school: InSchool, idempotency_key: Key = None
    ) -> dict[str, Any]:
        """Record up to 1,000 at once, all or nothing; 422 lists every unknown student."""
        return await _record(rows, caller, school, kind, vars(body)["records"], idempotency_key)

    @router.get("", response_model=page)
    async def listing(
        caller: Known,
        rows: Rows,
        school: InSchool,
        student: UUID | None = None,
        status: Wanted = None,
        since: Day | None = None,
        until: Day | None = None,
        withdrawn: bool | None = False,
        after: Cursor = None,
        limit: Limit = 50,
    ) -> Any:
        """Newest days first. Guardians see the children whom they answer for, students themselves."""
        day, last = place(after, dt.date.fromisoformat, UUID) or (None, None)
        values: dict[str, Any] = {
            "student": student,
            "status": status,
            "since": since,
            "until": until,
            "withdrawn": withdrawn,
        }
        values |= {"after_day": day, "after_id": last, "limit": limit + 1}
        async with rows.request(school) as tx:
            found = await _find(tx, caller, school, kind, values)
        more = cursor(found[limit - 1]["day"], found[limit - 1]["id"]) if len(found) > limit else None
        return {"items": found[:limit], "next": more}

    @router.get("/{record_id}", response_model=out)
    async def read(record_id: UUID, caller: Known, rows: Rows, school: InSchool, response: Response) -> Any:
        """One record, withdrawn or not."""
        async with rows.request(school) as tx:
            return await _answer(tx, caller, school, kind, record_id, response)

    @router.put("/{record_id}", response_model=out)
    async def correct(
        record_id: UUID,
        body: correction,
        caller: Known,
        rows: Rows,
        school: InSchool,
        expected: NeededMatch,
        response: Response,
    ) -> Any:
        """Say how it really was: all facts anew, the version that you read as If-Match."""
        async with rows.request(school) as tx:
            entry = _entry(record_id, record_id, body)
            await records.correct(tx, kind.name, school, caller.person, expected, entry)
            return await _answer(tx, caller, school, kind, record_id, response)

    @router.delete("/{record_id}", response_model=out)
    async def withdraw(
        record_id: UUID, caller: Known, rows: Rows, school: InSchool, expected: NeededMatch, response: Response
    ) -> Any:
        """Withdraw a mistake: it stays readable as such, and whoever was told of it may be told so."""
        async with rows.request(school) as tx:
            await records.withdraw(tx, kind.name, school, caller.person, expected, record_id)
            return await _answer(tx, caller, school, kind, record_id, response)

    return router


routers = tuple(routes(kind) for kind in KINDS)


async def _record(
    rows: Rows, caller: Caller, school: UUID, kind: RecordKind, bodies: Sequence[Any], key: str | None
) -> dict[str, Any]:
    entries = [_entry(uuid7(), body.student_id, body) for body in bodies]
    answer = {"ids": [str(entry.record) for entry in entries]}
    request = [kind.path, [body.model_dump(mode="json") for body in bodies]]
    async with rows.request(school) as tx:
        before = await answered(tx, caller, school, key, request, answer)
        if before is not None:
            return before
        await records.add(tx, kind.name, school, caller.person, entries)
    return answer


def _entry(record: UUID, student: UUID, facts: Facts) -> Entry:
    kept = {name: value for name, value in stored(facts).items() if name != "student_id"}
    return Entry(record, student, facts.day, facts.sought, kept)


async def _find(
    tx: Transaction, caller: Caller, school: UUID, kind: RecordKind, values: dict[str, Any]
) -> list[dict[str, Any]]:
    narrowed: dict[str, Any] = dict(reach(caller))
    if "guardian" in narrowed:
        narrowed[kind.duty] = narrowed.pop("guardian")
    wanted = values | narrowed
    return await tx.rows(chosen(PAGE, CHOICES, wanted), wanted | {"school": school, "kind": kind.name})


async def _answer(
    tx: Transaction, caller: Caller, school: UUID, kind: RecordKind, record: UUID, response: Response
) -> Any:
    found = await _find(tx, caller, school, kind, {"id": record, "limit": 1})
    if not found:
        raise Problem(404, "not_found")
    response.headers["ETag"] = etag(found[0]["version"])
    return found[0]

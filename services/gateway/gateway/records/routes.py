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
from gateway.http.guarded_route import GuardedRoute
from gateway.http.idempotency import answered
from gateway.http.json_types import Day
from gateway.http.pagination import cursor, place
from gateway.problems import Problem
from gateway.records import records
from gateway.records.kinds import KINDS, Facts, RecordKind, stored
from gateway.records.reads import Record, list_records
from gateway.records.records import Entry
from gateway.security.access_control import EVERYBODY, allow
from gateway.security.caller import Caller, CurrentCaller, student_scope
from shared.http.preconditions import RequiredMatch, etag
from shared.persistence.query import Query
from shared.transactions.unit_of_work import UnitOfWork

MOST = 1000


class Recorded(BaseModel):
    """Ids of the new records, in the order of the request."""

    ids: list[UUID]


def routes(kind: RecordKind) -> APIRouter:
    """Build the routes of one kind."""
    name = kind.name.title()
    made: Any = create_model(f"{name}In", __base__=kind.facts, student_id=(UUID, ...))
    many: Any = create_model(f"{name}sIn", __base__=Strict, records=(list[made], Field(min_length=1, max_length=MOST)))
    correction: Any = kind.facts
    out: Any = create_model(f"{name}Record", __base__=Record, facts=(kind.shown, ...))
    query = list_records(out)
    page: Any = create_model(f"{name}Page", items=(list[out], ...), next=(str | None, ...))
    router = APIRouter(prefix=f"/v1/{kind.path}", tags=["records"], route_class=GuardedRoute)
    reading, writing = allow(EVERYBODY, scope=f"{kind.path}:read"), allow(kind.recorders, scope=f"{kind.path}:write")

    @router.post("", status_code=201, response_model=Recorded, dependencies=[writing])
    async def record(
        body: made, caller: CurrentCaller, rows: Rows, school: InSchool, response: Response, idempotency_key: Key = None
    ) -> dict[str, Any]:
        """Add a record of one student. With an Idempotency-Key a repeat adds nothing and gets the same answer."""
        answer = await _record(rows, caller, school, kind, [body], idempotency_key)
        response.headers["Location"] = f"/v1/{kind.path}/{answer['ids'][0]}"
        response.headers["ETag"] = etag(1)
        return answer

    @router.post(":bulk", status_code=201, response_model=Recorded, dependencies=[writing])
    async def record_many(
        body: many, caller: CurrentCaller, rows: Rows, school: InSchool, idempotency_key: Key = None
    ) -> dict[str, Any]:
        """Add up to 1,000 records at once, all or none; 422 lists every unknown student."""
        return await _record(rows, caller, school, kind, vars(body)["records"], idempotency_key)

    @router.get("", response_model=page, dependencies=[reading])
    async def listing(
        caller: CurrentCaller,
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
        """List records, newest days first. Guardians see their own children, students themselves."""
        values: dict[str, Any] = {
            "student": student,
            "status": status,
            "since": since,
            "until": until,
            "withdrawn": withdrawn,
            "limit": limit + 1,
        }
        if key := place(after, dt.date.fromisoformat, UUID):
            values["after_day"], values["after_id"] = key
        async with rows.request(school) as tx:
            found = await query.all(tx, school=school, kind=kind.name, **values, **_narrowed(caller, kind))
        items = found[:limit]
        more = cursor(items[-1].day, items[-1].id) if len(found) > limit else None
        return {"items": items, "next": more}

    @router.get("/{record_id}", response_model=out, dependencies=[reading])
    async def read(record_id: UUID, caller: CurrentCaller, rows: Rows, school: InSchool, response: Response) -> Any:
        """Return one record, withdrawn or not."""
        async with rows.request(school) as tx:
            return await _answer(tx, query, caller, school, kind, record_id, response)

    @router.put("/{record_id}", response_model=out, dependencies=[writing])
    async def correct(
        record_id: UUID,
        body: correction,
        caller: CurrentCaller,
        rows: Rows,
        school: InSchool,
        expected: RequiredMatch,
        response: Response,
    ) -> Any:
        """Correct a record: send all its facts, and the version that you read as If-Match."""
        async with rows.request(school) as tx:
            entry = _entry(record_id, record_id, body)
            await records.correct(tx, kind.name, school, caller.person, expected, entry)
            return await _answer(tx, query, caller, school, kind, record_id, response)

    @router.delete("/{record_id}", response_model=out, dependencies=[writing])
    async def withdraw(
        record_id: UUID,
        caller: CurrentCaller,
        rows: Rows,
        school: InSchool,
        expected: RequiredMatch,
        response: Response,
    ) -> Any:
        """Withdraw a wrong record: it stays readable and marked, and people who were notified can be corrected."""
        async with rows.request(school) as tx:
            await records.withdraw(tx, kind.name, school, caller.person, expected, record_id)
            return await _answer(tx, query, caller, school, kind, record_id, response)

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


def _narrowed(caller: Caller, kind: RecordKind) -> dict[str, UUID | str]:
    """Return whose records the caller may read: guardians need the kind's duty; neither sees a draft."""
    scope = student_scope(caller)
    found: dict[str, UUID | str] = {kind.duty if name == "guardian" else name: who for name, who in scope.items()}
    return found | {"unread": "not_released"} if scope else found


async def _answer(
    tx: UnitOfWork,
    query: Query[Any],
    caller: Caller,
    school: UUID,
    kind: RecordKind,
    record: UUID,
    response: Response,
) -> Any:
    found = await query.first(tx, school=school, kind=kind.name, id=record, limit=1, **_narrowed(caller, kind))
    if found is None:
        raise Problem(404, "not_found")
    response.headers["ETag"] = etag(found.version)
    return found

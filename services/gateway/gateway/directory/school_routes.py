"""`/v1/schools`: settings."""

from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import Field, StringConstraints, model_validator
from uuid_utils.compat import uuid7

from gateway.directory import schools
from gateway.directory.logos import read_logo
from gateway.directory.school_reads import LIST_SCHOOLS, School, SchoolPage
from gateway.http.dependencies import Rows, Services, seen_by
from gateway.http.fields import (
    ONE_LINE,
    Key,
    Language,
    Limit,
    LocalTime,
    Name,
    QuietIn,
    SourcedId,
    Strict,
    Timezone,
    Wanted,
    columns_of,
)
from gateway.http.guarded_route import GuardedRoute
from gateway.http.idempotency import GROUP, answered
from gateway.http.json_types import WHOLE, Flag
from gateway.problems import Problem
from gateway.security.access_control import ADMINS, EVERYBODY, PLATFORM, STAFF, allow
from gateway.security.caller import Caller, CurrentCaller
from shared.events.values import Occasion
from shared.http.preconditions import IfMatch, etag
from shared.http.provided import Provided
from shared.storage.threaded_store import ThreadedStore
from shared.transactions.unit_of_work import UnitOfWork

router = APIRouter(prefix="/v1/schools", tags=["schools"], route_class=GuardedRoute)


Letterhead = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=ONE_LINE)]
Color = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]
Store = Annotated[ThreadedStore, Depends(Provided(ThreadedStore))]

CAN_BE_NULL = frozenset({"quiet", "color", "logo_file", "approval_above"})


class SettingsIn(Strict):
    """A change of settings; each field may be left out. `announces`: events of which guardians are notified.

    `approval_above`: a send to more people waits until another person has approved it; null: none waits.
    `letterhead`, `color` (#rrggbb) and `logo_file`, a picture uploaded as kind `other`, are the look of reports.
    """

    name: Name | None = None
    timezone: Timezone | None = None
    language: Language | None = None
    active: Flag | None = None
    mute_details: Flag | None = None
    announces: list[Occasion] | None = Field(default=None, max_length=10)
    quiet: QuietIn | None = None
    digest_at: LocalTime | None = None
    office: list[UUID] | None = Field(default=None, max_length=50)
    letterhead: Letterhead | None = None
    color: Color | None = None
    logo_file: UUID | None = None
    approval_above: Annotated[int, Field(ge=1, le=1_000_000), WHOLE] | None = None

    @model_validator(mode="after")
    def something(self) -> Self:
        """Refuse null for fields that a school must have, and a change of nothing."""
        if not self.model_fields_set:
            msg = "has no field to change"
            raise ValueError(msg)
        if empty := sorted(n for n in self.model_fields_set - CAN_BE_NULL if getattr(self, n) is None):
            msg = f"cannot be null: {', '.join(empty)}"
            raise ValueError(msg)
        return self

    def columns(self) -> dict[str, Any]:
        """The columns to set."""
        found = self.given()
        return found | columns_of(found.pop("quiet")) if "quiet" in found else found


class SchoolIn(Strict):
    """A new school."""

    sourced_id: SourcedId | None = None
    name: Name
    timezone: Timezone
    language: Language = "en"
    mute_details: Flag = True
    announces: list[Occasion] = Field(default=[], max_length=10)
    quiet: QuietIn | None = None
    digest_at: LocalTime = Field(default="07:00", validate_default=True)


@router.get("", dependencies=[allow(STAFF, scope="schools:read")])
async def listing(
    caller: CurrentCaller,
    rows: Rows,
    sourced_id: Wanted = None,
    active: bool | None = None,
    after: UUID | None = None,
    limit: Limit = 50,
) -> SchoolPage:
    """List the schools that the caller may see."""
    values = {"school": caller.school, "sourced_id": sourced_id, "active": active, "after": after}
    async with seen_by(rows, caller) as tx:
        found = await LIST_SCHOOLS.all(tx, **values, limit=limit + 1)
    items = found[:limit]
    return SchoolPage(items=items, next=items[-1].id if len(found) > limit else None)


@router.post("", status_code=201, dependencies=[allow(PLATFORM, scope="schools:write")])
async def create(
    body: SchoolIn, caller: CurrentCaller, rows: Rows, response: Response, idempotency_key: Key = None
) -> School:
    """Add a school by hand, once for the same Idempotency-Key; rosters add theirs."""
    school = uuid7()
    values = body.model_dump(exclude={"quiet"}) | {"digest_at": body.digest_at, "office": []} | columns_of(body.quiet)
    asked = ["schools", body.model_dump(mode="json")]
    async with rows.begin() as tx:
        before = await answered(tx, caller, GROUP, idempotency_key, asked, {"id": str(school)})
        if before is None:
            await schools.add(tx, school, values)
        else:
            school = UUID(before["id"])
        return await _answer(tx, school, response, created=True)


@router.get("/{school_id}", dependencies=[allow(EVERYBODY, scope="schools:read")])
async def read(school_id: UUID, caller: CurrentCaller, rows: Rows, response: Response) -> School:
    """One school."""
    async with seen_by(rows, caller) as tx:
        return await _answer(tx, ours(caller, school_id), response)


@router.patch("/{school_id}", dependencies=[allow(ADMINS, scope="schools:write")])
async def change(
    school_id: UUID,
    body: SettingsIn,
    caller: CurrentCaller,
    rows: Rows,
    owners: Services,
    store: Store,
    expected: IfMatch,
    response: Response,
) -> School:
    """Change settings; with If-Match only if the version is current. `logo_file` is copied: it may be deleted then."""
    columns = body.columns()
    school = ours(caller, school_id)
    if "logo_file" in columns:
        file = body.logo_file
        columns["logo"] = await read_logo(owners, store, caller, school, file) if file else None
    async with seen_by(rows, caller) as tx:
        await schools.change(tx, school, expected, columns)
        return await _answer(tx, school_id, response)


def ours(caller: Caller, school: UUID) -> UUID:
    """Return the school if the caller may see it; 404 for another school than the caller's."""
    if not caller.everywhere and caller.school != school:
        raise Problem(404, "not_found")
    return school


async def _answer(tx: UnitOfWork, school: UUID, response: Response, *, created: bool = False) -> School:
    found = await LIST_SCHOOLS.first(tx, school=school, limit=1)
    if found is None:
        raise Problem(404, "not_found")
    response.headers["ETag"] = etag(found.version)
    if created:
        response.headers["Location"] = f"/v1/schools/{school}"
    return found

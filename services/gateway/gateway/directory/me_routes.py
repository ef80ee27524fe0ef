"""`/v1/me`: preferences and devices of the caller; and the same preferences, set by staff for another person."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field, StringConstraints, model_validator

from gateway.directory import devices, people
from gateway.directory.device_reads import LIST_DEVICES, DeviceOut
from gateway.http.dependencies import InSchool, Rows
from gateway.http.fields import Language, QuietIn, Strict, columns_of
from gateway.http.guarded_route import GuardedRoute
from gateway.http.json_types import Flag
from gateway.problems import Problem
from gateway.security.access_control import EVERYBODY, OFFICE, STAFF, allow
from gateway.security.caller import Caller, CurrentCaller
from shared.events.directory import Preference, QuietHours
from shared.events.values import Channel, Kind
from shared.http.preconditions import IfMatch, etag

router = APIRouter(prefix="/v1", tags=["me"], route_class=GuardedRoute)

# Select the choices of a person, who belongs to the given school if one is given.
SELECT_PREFERENCES = """
SELECT p.version,
    p.language,
    CASE WHEN p.quiet_starts IS NOT NULL THEN jsonb_build_object('starts', p.quiet_starts, 'ends', p.quiet_ends) END
        AS quiet,
    (SELECT coalesce(jsonb_agg(to_jsonb(f) - 'person_id' ORDER BY f.kind, f.channel), '[]')
       FROM preference f WHERE f.person_id = p.person_id) AS preferences
FROM person p WHERE p.person_id = %(person)s AND p.erased_at IS NULL
  AND (%(school)s::uuid IS NULL OR EXISTS (
      SELECT FROM membership m WHERE m.person_id = p.person_id AND m.school_id = %(school)s))
"""

Token = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[\x21-\x7e]+$")]


class PreferenceIn(Strict):
    """Whether one kind of notification is wanted on one channel. Safety cannot be refused."""

    kind: Kind
    channel: Channel
    wanted: Flag

    @model_validator(mode="after")
    def safety_comes_through(self) -> Self:
        """Refuse a choice that would be stored but never followed."""
        if self.kind == "safety" and not self.wanted:
            msg = "notifications about safety cannot be refused"
            raise ValueError(msg)
        return self


class PreferencesIn(Strict):
    """A part that is left out stays; `preferences` replaces them all (a kind that is not named is wanted)."""

    preferences: list[PreferenceIn] | None = Field(default=None, max_length=50)
    quiet: QuietIn | None = None
    language: Language | None = None
    """The person's own language, such as ar or pt-BR; null: the school's."""


class Preferences(BaseModel):
    """The choices of a person; `version` is the person's, and the ETag."""

    preferences: list[Preference]
    quiet: QuietHours | None
    language: str | None
    version: int


class DeviceIn(Strict):
    """An app installation; a token belongs to the person who registered it last."""

    token: Token
    fid: Annotated[str, StringConstraints(max_length=255, pattern=r"^[^\x00]*$")] | None = None
    platform: Literal["android", "ios", "web"]


class TokenIn(Strict):
    """A device by its token: in the body, because addresses end up in logs."""

    token: Token


@router.get("/me/preferences", dependencies=[allow(EVERYBODY)])
async def my_preferences(caller: CurrentCaller, rows: Rows, response: Response) -> Preferences:
    """Return the caller's own choices."""
    return await _preferences(rows, _self(caller), None, response)


@router.put("/me/preferences", dependencies=[allow(EVERYBODY)])
async def set_my_preferences(
    body: PreferencesIn, caller: CurrentCaller, rows: Rows, expected: IfMatch, response: Response
) -> Preferences:
    """Set the caller's own choices, for all schools."""
    return await _prefer(rows, _self(caller), None, body, expected, response)


@router.get("/people/{person_id}/preferences", dependencies=[allow(STAFF, scope="people:read")])
async def preferences(person_id: UUID, rows: Rows, school: InSchool, response: Response) -> Preferences:
    """Return the choices of a person."""
    return await _preferences(rows, person_id, school, response)


@router.put("/people/{person_id}/preferences", dependencies=[allow(OFFICE, scope="people:write")])
async def set_preferences(
    person_id: UUID,
    body: PreferencesIn,
    rows: Rows,
    school: InSchool,
    expected: IfMatch,
    response: Response,
) -> Preferences:
    """Set the choices of a person who asked staff to do it."""
    return await _prefer(rows, person_id, school, body, expected, response)


@router.get("/me/devices", dependencies=[allow(EVERYBODY)])
async def my_devices(caller: CurrentCaller, rows: Rows) -> dict[str, list[DeviceOut]]:
    """List the caller's own devices."""
    async with rows.begin() as tx:
        return {"items": await LIST_DEVICES.all(tx, person=_self(caller))}


@router.put("/me/devices", dependencies=[allow(EVERYBODY, audited=False)])
async def register_mine(body: DeviceIn, caller: CurrentCaller, rows: Rows) -> dict[str, int]:
    """Register one device of the caller's own."""
    async with rows.begin() as tx:
        owners = await devices.owners(tx, [(_self(caller), None)])
        return {"registered": await devices.register(tx, owners, [body.model_dump()])}


@router.post("/me/devices:remove", status_code=204, dependencies=[allow(EVERYBODY)])
async def remove_mine(body: TokenIn, caller: CurrentCaller, rows: Rows) -> None:
    """Forget one device of the caller's own, as an app does when its user signs out."""
    async with rows.begin() as tx:
        await devices.remove(tx, _self(caller), body.token)


def _self(caller: Caller) -> UUID:
    if caller.person is None:
        raise Problem(403, "forbidden", "This token does not belong to a person.")
    return caller.person


async def _prefer(
    rows: Rows, person: UUID, school: UUID | None, body: PreferencesIn, expected: int | None, response: Response
) -> Preferences:
    choices: dict[tuple[str, str], bool] | None = None
    if body.preferences is not None:
        choices = {(choice.kind, choice.channel): choice.wanted for choice in body.preferences}
    facts: dict[str, Any] = columns_of(body.quiet) if "quiet" in body.model_fields_set else {}
    facts |= body.model_dump(include={"language"} & body.model_fields_set)
    async with rows.begin() as tx:
        await people.prefer(tx, person, school, expected, choices, facts)
    return await _preferences(rows, person, school, response)


async def _preferences(rows: Rows, person: UUID, school: UUID | None, response: Response) -> Preferences:
    async with rows.begin() as tx:
        row = await tx.row(SELECT_PREFERENCES, {"person": person, "school": school})
    if row is None:
        raise Problem(404, "not_found")
    response.headers["ETag"] = etag(row["version"])
    return Preferences(**row)

"""Make access tokens for people at their own machine, signed with the local stack's key."""

import datetime as dt
from pathlib import Path
from uuid import UUID

import httpx

from shared.errors import Refused
from shared.events.values import Role
from shared.http.tokens import Claims, sign

TTL = dt.timedelta(minutes=15)
TIMEOUT = 10.0
PERSONAL = frozenset({"teacher", "guardian", "student"})
"""Roles whose token must name a person of the school; a token of staff may belong to a program."""


def make(signing_key: Path, role: Role, school: UUID | None = None, person: UUID | None = None) -> str:
    """Return a bearer token that is valid for 15 minutes."""
    return sign(signing_key.read_bytes(), Claims(role=role, school=school, person=person), TTL)


def make_for_person(signing_key: Path, gateway: str, role: Role, school: str) -> str:
    """Return a token of the first person with this role at `school` (id or sourcedId); raises Refused without one."""
    bearer = {"Authorization": f"Bearer {make(signing_key, 'platform_admin')}"}
    try:
        with httpx.Client(base_url=gateway, headers=bearer, timeout=TIMEOUT, trust_env=False) as client:
            place = _find_school(client, school)
            wanted: dict[str, str | int] = {"school": str(place), "role": role, "active": "true", "limit": 1}
            people = client.get("/v1/people", params=wanted).raise_for_status().json()["items"]
    except httpx.HTTPError as problem:
        raise Refused(f"the gateway cannot list the people of {school!r}: {problem}") from problem
    if not people and role in PERSONAL:
        raise Refused(f"no person at {school!r} has the role {role}")
    return make(signing_key, role, place, UUID(people[0]["id"]) if people else None)


def _find_school(client: httpx.Client, named: str) -> UUID:
    try:
        return UUID(named)
    except ValueError:
        pass
    items = client.get("/v1/schools", params={"sourced_id": named}).raise_for_status().json()["items"]
    if not items:
        raise Refused(f"there is no school {named!r}")
    return UUID(items[0]["id"])

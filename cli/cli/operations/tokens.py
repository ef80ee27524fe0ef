"""Tokens for people at their own machine, signed with the local stack's key."""

import datetime as dt
from pathlib import Path
from uuid import UUID

import httpx

from shared.errors import Refused
from shared.events.values import Role
from shared.http.tokens import Claims, sign

TTL = dt.timedelta(minutes=15)
PATIENCE = 10.0
PERSONAL = frozenset({"teacher", "guardian", "student"})
"""Roles that are nothing without somebody who has them; staff may be a program."""


def make(signing_key: Path, role: Role, school: UUID | None = None, person: UUID | None = None) -> str:
    """A bearer token, good for 15 minutes."""
    return sign(signing_key.read_bytes(), Claims(role=role, school=school, person=person), TTL)


def of_a_person(signing_key: Path, gateway: str, role: Role, school: str) -> str:
    """A token of the first person with this role at `school` (its id or sourcedId); raises Refused if there is none."""
    bearer = {"Authorization": f"Bearer {make(signing_key, 'platform_admin')}"}
    try:
        with httpx.Client(base_url=gateway, headers=bearer, timeout=PATIENCE, trust_env=False) as client:
            place = _school(client, school)
            wanted: dict[str, str | int] = {"school": str(place), "role": role, "active": "true", "limit": 1}
            people = client.get("/v1/people", params=wanted).raise_for_status().json()["items"]
    except httpx.HTTPError as problem:
        raise Refused(f"the gateway does not say who is at {school!r}: {problem}") from problem
    if not people and role in PERSONAL:
        raise Refused(f"nobody at {school!r} is a {role}")
    return make(signing_key, role, place, UUID(people[0]["id"]) if people else None)


def _school(client: httpx.Client, named: str) -> UUID:
    try:
        return UUID(named)
    except ValueError:
        pass
    items = client.get("/v1/schools", params={"sourced_id": named}).raise_for_status().json()["items"]
    if not items:
        raise Refused(f"there is no school {named!r}")
    return UUID(items[0]["id"])

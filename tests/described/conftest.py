"""The whole system, with a school and a family in it, for whoever asks everything that its description allows."""

import asyncio
import datetime as dt
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest

from cli.operations.service_names import NAMES
from cli.testing.system import System
from shared.http.tokens import Claims, sign
from shared.testing.fixtures import Backing, fresh_database, fresh_vhost, write_keys

FREELY = {
    "RATE_CALLER": "0",
    "RATE_SCHOOL": "0",
    "RATE_ADDRESS": "0",
    "RATE_LINK": "0",
    "SIGN_IN_FREE_FAILURES": "1000000",
}
"""Thousands of questions from one address in a minute are what limits are against."""


@dataclass(frozen=True)
class Door:
    """The gateway's address, its description, and a token by role: of people who are there, at a school."""

    url: str
    described: dict[str, Any]
    tokens: dict[str, str]


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    folder = tmp_path_factory.mktemp("described")
    write_keys(folder / "keys")
    with fresh_database(NAMES) as database, fresh_vhost() as amqp:
        system = System(Backing(database, amqp, folder / "keys"), folder, extra=FREELY, forks=True)
        try:
            asyncio.run(system.start_fakes())
            asyncio.run(system.declare())
            asyncio.run(system.start(*NAMES))
            yield opened(system)
        finally:
            asyncio.run(system.stop())
        assert "request.failed" not in system.logs()


def opened(system):
    key = (system.backing.keys / "signing.pem").read_bytes()

    def token(role, school=None, person=None):
        return sign(key, Claims(role=role, school=school, person=person), dt.timedelta(hours=3))

    everything = {"Authorization": f"Bearer {token('platform_admin')}"}
    with closing(httpx.Client(base_url=system.url, headers=everything, timeout=30)) as client:

        def made(path, **body):
            answer = client.post(path, params={"school": school} if school else {}, json=body)
            assert answer.is_success, answer.text
            return answer.json()["id"]

        school = None
        school = made("/v1/schools", name="Demo", timezone="Europe/Berlin")
        people = {
            role: made("/v1/people", given_name="Demo", family_name=role.title(), memberships=[{"role": role}])
            for role in ("school_admin", "staff", "guardian", "student")
        }
        guardians = {"guardians": [{"person_id": people["guardian"]}]}
        path = f"/v1/students/{people['student']}/guardians"
        client.put(path, params={"school": school}, json=guardians).raise_for_status()
        described = client.get("/openapi.json").json()
    place = UUID(school)
    return Door(
        system.url,
        described,
        {
            "platform_admin": token("platform_admin", place, UUID(people["school_admin"])),
            "staff": token("staff", place, UUID(people["staff"])),
            "guardian": token("guardian", place, UUID(people["guardian"])),
        },
    )

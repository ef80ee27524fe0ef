"""A part that is away: an answer that says so and when to come back, and the next request works again."""

import asyncio
import time
from uuid import uuid4

import psycopg
import pytest

from shared.persistence.encryption import SubjectKeyStore
from shared.transactions.unit_of_work import UnitOfWorkFactory

pytestmark = pytest.mark.asyncio(loop_scope="module")

BODY = {"type": "general", "title": "Closed", "body": "Snow", "audience": {"school": True}}
HANG_UP = """
SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
WHERE application_name = %s AND datname = current_database()
"""


def away(answer):
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["content-type"] == "application/problem+json"


async def test_promise_04_a_stale_pooled_connection_costs_no_request_and_the_same_key_makes_one_task(gateway, admin):
    # given
    school, person, headers = await gateway.add_school(), uuid4(), {"Idempotency-Key": uuid4().hex}

    async def send():
        return await gateway.ask("POST", "/v1/notifications", "staff", school, person, headers, json=BODY)

    async with gateway.service.transactions.request(school) as tx:
        await tx.rows("SELECT 1")  # the pool holds a connection
    # when
    assert admin.execute(HANG_UP, ("gateway_app",)).fetchone()[0] > 0
    answers = [await send() for _ in range(10)]
    # then
    assert [answer.status_code for answer in answers] == [202] * 10
    assert await gateway.one("SELECT count(*) FROM task WHERE school_id = %s", (school,)) == 1


async def test_promise_04_a_database_that_is_away_is_503(backing, serve):
    gone = f"{backing.environment('gateway')['DATABASE_URL'].rpartition('@')[0]}@127.0.0.1:1/gone"
    async with serve(backing, database_url=gone) as alone:
        away(await alone.ask("GET", "/v1/people", "staff", uuid4(), uuid4()))
        assert (await alone.client.get("/health/live")).status_code == 200


async def test_all_that_a_request_may_need_gives_up_a_missing_database_after_seconds(backing, serve):
    gone = f"{backing.environment('gateway')['DATABASE_URL'].rpartition('@')[0]}@127.0.0.1:1/gone"
    took = {}
    async with serve(backing, database_url=gone) as alone:
        provided = alone.client._transport.app.state.provided

        async def refused():
            """A refusal by role reads nothing, and its act is written."""
            away(await alone.ask("POST", "/v1/failures/retry", "guardian", uuid4(), uuid4(), json={}))

        async def connect():
            with pytest.raises(psycopg.OperationalError):
                async with provided[UnitOfWorkFactory].database.worker():
                    raise AssertionError("a connection to a database that is away")

        async def find_key():
            with pytest.raises(psycopg.OperationalError):
                await provided[SubjectKeyStore].keys([uuid4()])

        async def measure(attempt):
            began = time.monotonic()
            await attempt()
            took[attempt.__name__] = time.monotonic() - began

        # given a lookup of the service itself, which waits longer
        patient = asyncio.create_task(alone.service.vault.keys([uuid4()]))
        await asyncio.sleep(0)
        await asyncio.gather(*map(measure, (refused, connect, find_key)))
        patient.cancel()
        await asyncio.gather(patient, return_exceptions=True)
    assert {name: seconds for name, seconds in took.items() if seconds > 20} == {}


async def test_an_owner_that_is_away_is_503_and_what_was_accepted_is_still_there(gateway):
    school, person = await gateway.add_school(), uuid4()
    sent = await gateway.ask("POST", "/v1/notifications", "staff", school, person, json=BODY)
    # when
    away(await gateway.ask("GET", f"/v1/notifications/{sent.json()['id']}", "staff", school, person))
    away(await gateway.ask("GET", "/v1/notifications", "staff", school, person))
    # then
    assert (await gateway.ask("GET", sent.headers["location"], "staff", school, person)).status_code == 200

"""A part that is away: an answer that says so and when to come back, and the next request works again."""

from uuid import uuid4

import pytest

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


async def test_an_owner_that_is_away_is_503_and_what_was_accepted_is_still_there(gateway):
    school, person = await gateway.add_school(), uuid4()
    sent = await gateway.ask("POST", "/v1/notifications", "staff", school, person, json=BODY)
    # when
    away(await gateway.ask("GET", f"/v1/notifications/{sent.json()['id']}", "staff", school, person))
    away(await gateway.ask("GET", "/v1/notifications", "staff", school, person))
    # then
    assert (await gateway.ask("GET", sent.headers["location"], "staff", school, person)).status_code == 200

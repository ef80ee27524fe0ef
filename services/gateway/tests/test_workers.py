"""The list of workers is what was heard, not what is asked for."""

import pytest

from gateway.security.rate_limits import RateLimiter
from gateway.tasks import projection

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOWHERE = "amqp://guest:guest@127.0.0.1:1/"
SILENCE = "UPDATE worker SET seen_at = seen_at - interval '1 minute' WHERE worker = %s"


async def test_seed_24_a_silent_worker_is_listed_as_stale_and_no_worker_is_asked(backing, gateway, serve):
    # given: two workers, one of which has been silent for longer than three heartbeats
    heard = projection.HeartbeatRecorder(gateway.service.transactions, RateLimiter({}))
    for worker in ("notifier@here:1", "notifier@here:2"):
        await heard({"service": "notifier", "worker": worker, "every_seconds": 5.0})
    async with gateway.service.transactions.begin() as tx:
        await tx.execute(SILENCE, ("notifier@here:1",))
    # when: a gateway without a broker is asked
    async with serve(backing, at_work=True, amqp_url=NOWHERE) as alone:
        answer = await alone.ask("GET", "/v1/workers")
    # then
    assert answer.status_code == 200, answer.text
    stale = {each["worker"]: each["stale"] for each in answer.json()["items"]}
    assert stale["notifier@here:1"] is True
    assert stale["notifier@here:2"] is False


async def test_of_a_worker_that_is_not_live_nothing_is_shown_as_current(gateway):
    # given: three workers, silent for 0, 4 and 13 heartbeats
    heard = projection.HeartbeatRecorder(gateway.service.transactions, RateLimiter({}))
    silence = {"files@here:1": 0, "files@here:2": 20, "files@here:3": 65}
    for worker, seconds in silence.items():
        facts = {"version": "0.3", "in_flight": 2, "draining": True, "queues": {"files.work": {"holds": 2}}}
        await heard({"service": "files", "worker": worker, "every_seconds": 5.0} | facts)
        query = "UPDATE worker SET seen_at = seen_at - make_interval(secs => %s) WHERE worker = %s"
        async with gateway.service.transactions.begin() as tx:
            await tx.execute(query, (seconds, worker))
    # when
    items = (await gateway.ask("GET", "/v1/workers")).json()["items"]
    # then
    shown = {each["worker"]: each for each in items if each["service"] == "files" and each["worker"] in silence}
    assert [shown[worker]["state"] for worker in silence] == ["live", "stale", "gone"]
    current = {"in_flight", "draining", "queues"}
    assert [current & shown[worker]["facts"].keys() for worker in silence] == [current, set(), set()]
    assert {each["facts"]["version"] for each in shown.values()} == {"0.3"}
    gone = (await gateway.ask("GET", "/v1/workers", params={"state": "gone"})).json()["items"]
    assert "files@here:3" in {each["worker"] for each in gone}
    assert not {"files@here:1", "files@here:2"} & {each["worker"] for each in gone}

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
    async with serve(backing, amqp_url=NOWHERE) as alone:
        answer = await alone.ask("GET", "/v1/workers")
    # then
    assert answer.status_code == 200, answer.text
    stale = {each["worker"]: each["stale"] for each in answer.json()["items"]}
    assert stale["notifier@here:1"] is True
    assert stale["notifier@here:2"] is False

"""A slow FCM hurts only push. How little mail is slowed is measured by `make chaos ONLY=notifier`."""

import asyncio
import uuid
from contextlib import closing

from cli.demo import school
from cli.demo.client import Message
from shared.testing.fixtures import eventually

SLOW_SECONDS = 10
MAILS = """
SELECT state, count(*) AS n FROM notifier.delivery
WHERE notification_id = %s AND channel = 'mail' AND state <> 'suppressed' GROUP BY state
"""
# By the database's own times, when the last mail had been answered.
PUSHES = """
SELECT count(*) AS n, count(*) FILTER (WHERE d.state = 'accepted') AS answered,
    count(*) FILTER (WHERE a.ended_at - a.started_at < make_interval(secs => %s)) AS quick
FROM notifier.delivery d LEFT JOIN notifier.attempt a USING (delivery_id)
WHERE d.notification_id = %s AND d.channel = 'push' AND d.state <> 'suppressed'
"""


async def test_promise_10_a_slow_fcm_hurts_only_push(system):
    system.faults("fcm", latency_ms=1000 * SLOW_SECONDS)
    with closing(system.api()) as api:
        where = api.school(school.SCHOOLS[0].sourced_id)
        message = Message(where, "general", "Hello", "A made-up text.", {"school": True}, ("push", "mail"))
        notification = await asyncio.to_thread(api.send, message, str(uuid.uuid4()))
        try:

            async def mailed():
                rows = await asyncio.to_thread(system.rows, MAILS, notification)
                return {row["state"]: row["n"] for row in rows}

            # then every mail is taken while most pushes wait for their answer
            told = await eventually(mailed, lambda seen: seen and set(seen) == {"accepted"}, within=60)
            (pushes,) = system.rows(PUSHES, SLOW_SECONDS, notification)
            assert min(told["accepted"], pushes["n"]) > 500
            assert pushes["quick"] == 0
            assert pushes["answered"] < pushes["n"] / 2
        finally:
            system.faults("fcm", latency_ms=0)
            cancel = f"/v1/notifications/{notification}/cancel"
            assert (await asyncio.to_thread(api._client.post, cancel)).status_code == 200

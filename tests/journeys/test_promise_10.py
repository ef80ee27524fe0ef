"""A slow FCM hurts only push."""

import asyncio
import uuid
from contextlib import closing

from cli.demo import school
from cli.demo.api import Message
from shared.testing import eventually

MAILED = """
SELECT extract(epoch FROM a.ended_at - n.requested_at)::float AS seconds
FROM notifier.notification n
JOIN notifier.delivery d USING (notification_id) JOIN notifier.attempt a USING (delivery_id)
WHERE d.notification_id = %s AND d.channel = 'mail' AND a.outcome = 'accepted' ORDER BY 1
"""
OPEN = """
SELECT count(*) AS n FROM notifier.delivery
WHERE notification_id = %s AND channel = 'mail' AND state NOT IN ('accepted', 'suppressed')
"""
PUSHED = """
SELECT count(*) AS n FROM notifier.delivery WHERE notification_id = %s AND channel = 'push' AND state = 'accepted'
"""
NOISE = 0.25
"""Seconds that anything may take longer on two busy cores."""


async def p99(system, api, where):
    """Seconds until all but one in a hundred of the mails of a bulk were taken."""
    message = Message(where, "general", "Hello", "A made-up text.", {"school": True}, ("push", "mail"))
    notification = await asyncio.to_thread(api.send, message, str(uuid.uuid4()))

    async def left():
        rows = await asyncio.to_thread(system.rows, OPEN, notification)
        return rows[0]["n"] if await asyncio.to_thread(system.rows, MAILED, notification) else None

    await eventually(left, lambda n: n == 0, within=60)
    seconds = [row["seconds"] for row in system.rows(MAILED, notification)]
    return seconds[int(len(seconds) * 0.99)], notification


async def test_promise_10_a_slow_fcm_hurts_only_push(system):
    with closing(system.api()) as api:
        where = api.school(school.SCHOOLS[0].sourced_id)
        await p99(system, api, where)  # connections are open
        quick, _ = await p99(system, api, where)
        system.faults("fcm", latency_ms=10_000)
        try:
            slow, notification = await p99(system, api, where)
            # then: mail was as fast as ever while no push had been answered yet
            assert system.rows(PUSHED, notification)[0]["n"] == 0
            assert slow <= 2 * quick + NOISE, f"{slow:.2f} s against {quick:.2f} s"
        finally:
            system.faults("fcm", latency_ms=0)
            cancel = f"/v1/notifications/{notification}/cancel"
            assert (await asyncio.to_thread(api._client.post, cancel)).status_code == 200

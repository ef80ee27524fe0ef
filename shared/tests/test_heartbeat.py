"""Heartbeats say how much a worker handles and fails, in all and since the heartbeat before."""

import asyncio
import json

import pytest

from shared.service.heartbeat import Heartbeat
from shared.telemetry import Metrics
from shared.testing.fixtures import eventually


async def test_a_heartbeat_says_how_much_was_handled_and_failed_a_second():
    # given: a worker that has handled six messages, two of which go to a retry tier and one to the dead letters
    beats, metrics = [], Metrics()
    for outcome, number in (("done", 3), ("retried", 2), ("dead", 1)):
        metrics.handled.labels("queue", outcome).inc(number)

    class Sent:
        async def publish(self, exchange, key, body, headers, *, mandatory):
            beats.append(json.loads(body))

    # when
    heart = Heartbeat("gateway", "gateway@here:1", Sent(), metrics, 0.05, {})
    beating = asyncio.create_task(heart.run())

    async def sent():
        return len(beats)

    await eventually(sent, lambda number: number > 1, within=10)
    beating.cancel()
    # then
    first, second = beats[:2]
    assert [(each["handled"], each["failed"]) for each in beats[:2]] == [(6, 3)] * 2
    assert first["handled_per_second"] == pytest.approx(2 * first["failed_per_second"], abs=0.002)  # both are rounded
    assert first["failed_per_second"] > 1
    assert (second["handled_per_second"], second["failed_per_second"]) == (0, 0)

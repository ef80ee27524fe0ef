"""Channels are independent of each other on their way to the provider."""

from notifier.domain.circuit_breaker import FAILURES_TO_OPEN
from notifier.permits import SEND_LANES
from shared.messaging.topology import lane_name


async def test_rule_08_each_channel_has_queues_and_a_breaker_of_its_own(harness):
    limiters = harness.providers.limiters
    queues = {queue.name for queue in harness.service.topology().queues}
    # then
    assert {lane.partition(".")[0] for lane in SEND_LANES} == set(limiters) == {"push", "mail"}
    for channel in limiters:
        assert {lane_name("notifier", f"{channel}.{urgency}") for urgency in ("urgent", "bulk")} <= queues
    unwell, well = (limiter.breaker for limiter in limiters.values())
    # and one that is open says nothing about the other
    for n in range(FAILURES_TO_OPEN):
        unwell.record("transient", "UNAVAILABLE", None, 0.0, admission="allowed", recipient=f"token-{n}")
    assert unwell.is_open
    assert not well.is_open

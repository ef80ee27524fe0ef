"""Channels do not meet on their way out."""

from notifier.domain.circuit_breaker import IN_A_ROW
from notifier.permits import LANES
from shared.messaging.topology import lane_name


async def test_rule_08_each_channel_has_queues_and_a_breaker_of_its_own(house):
    lines = house.providers.lines
    queues = {queue.name for queue in house.service.topology().queues}
    # then
    assert {lane.partition(".")[0] for lane in LANES} == set(lines) == {"push", "mail"}
    for channel in lines:
        assert {lane_name("notifier", f"{channel}.{urgency}") for urgency in ("urgent", "bulk")} <= queues
    unwell, well = (line.breaker for line in lines.values())
    # and one that is open says nothing about the other
    for _ in range(IN_A_ROW):
        unwell.record("transient", "UNAVAILABLE", None, 0.0, admitted="open")
    assert unwell.is_open
    assert not well.is_open

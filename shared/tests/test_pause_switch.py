"""When paused consumers go on."""

import asyncio

import pytest

from shared.consumers.pause_switch import PauseSwitch
from shared.errors import StorageFull
from shared.telemetry import Metrics
from shared.testing.fixtures import FakeClock


class Probe:
    """Succeeds from a time on."""

    def __init__(self, clock, since=0.0):
        self._clock = clock
        self.since = since
        self.times = []

    async def __call__(self):
        self.times.append(self._clock.now)
        if self._clock.now < self.since:
            raise StorageFull("no room")


@pytest.fixture
async def switch():
    clock = FakeClock()
    clock.now = 1_000.0
    made = PauseSwitch(Probe(clock), Metrics(), sleep=clock.sleep, clock=lambda: clock.now)
    made.clock = clock
    running = asyncio.create_task(made.run())
    yield made
    running.cancel()


async def test_consumers_go_on_when_every_probe_succeeds(switch):
    # given
    store = Probe(switch.clock, since=1_060.0)
    switch.add_probe(store)
    # when
    switch.close(StorageFull("no room"))
    await switch.wait_open()
    # then
    assert 1_060 <= switch.clock.now <= 1_066


async def test_an_outage_that_the_probes_do_not_see_does_not_make_consumers_spin(switch):
    # when
    for _ in range(20):
        switch.close(StorageFull("no room for this one"))
        await switch.wait_open()
    # then
    assert switch.clock.sleeps[:6] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2]
    assert set(switch.clock.sleeps[6:]) == {5.0}


async def test_an_outage_after_a_quiet_time_is_a_new_one(switch):
    for _ in range(5):
        switch.close(StorageFull("no room"))
        await switch.wait_open()
    switch.clock.now += 31
    before = len(switch.clock.sleeps)
    # when
    switch.close(StorageFull("no room"))
    await switch.wait_open()
    # then
    assert switch.clock.sleeps[before:] == []

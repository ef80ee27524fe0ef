"""Whose turn it is, how fast, and whether to call at all."""

import asyncio
import time

import pytest

from notifier.domain.circuit_breaker import CONFIG_IN_A_ROW, IN_A_ROW
from notifier.providers import Outcome
from notifier.sending.provider_limiter import FLUSH_RESULTS, Line
from notifier.sending.send_worker import turn_of


def line(calls=1, rate=None, send=None):
    async def accepted(*_):
        return Outcome("accepted")

    return Line("mail", send or accepted, calls, rate)


async def test_the_least_served_goes_next_and_urgent_before_all():
    # given a line whose only call is taken
    way, order = line(), []
    await way.place(0)

    async def wait(turn):
        await way.place(turn)
        order.append(turn)
        way.called()
        way.recorded(1)

    tasks = [asyncio.create_task(wait(turn)) for turn in (900, 5, 4, -1, 5000)]
    await asyncio.sleep(0)
    # when it becomes free
    way.called()
    way.recorded(1)
    await asyncio.gather(*tasks)
    assert order == [-1, 4, 5, 900, 5000]


async def test_no_more_calls_at_once_and_no_more_unrecorded_than_allowed():
    way, calling = line(calls=3), []

    async def one(n):
        await way.place(n)
        calling.append(n)
        way.called()

    tasks = [asyncio.create_task(one(n)) for n in range(200)]
    await asyncio.sleep(0.05)
    assert len(calling) == 3 + FLUSH_RESULTS
    way.recorded(10)
    await asyncio.sleep(0.05)
    assert len(calling) == 13 + FLUSH_RESULTS
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_who_gives_up_waiting_leaves_no_place_taken():
    way = line()
    await way.place(0)
    waiting = [asyncio.create_task(way.place(n)) for n in range(5)]
    await asyncio.sleep(0)
    for task in waiting[:-1]:
        task.cancel()
    way.called()
    way.recorded(1)
    await asyncio.wait_for(waiting[-1], 1)


async def test_a_rate_is_kept():
    way, began = line(calls=100, rate=200), time.monotonic()
    await asyncio.gather(*(way.place(n) for n in range(41)))
    assert 0.19 <= time.monotonic() - began < 2


@pytest.mark.parametrize(("kind", "run"), [("transient", IN_A_ROW), ("config", CONFIG_IN_A_ROW)])
async def test_an_unwell_provider_is_left_alone(kind, run):
    calls = []

    async def unwell(*_):
        calls.append(1)
        return Outcome(kind, "why")

    way = line(send=unwell)
    outcomes = [await way.call({}, {}) for _ in range(run + 10)]
    assert len(calls) == run
    assert [outcome.kind for outcome in outcomes[run:]] == ["withheld"] * 10
    assert outcomes[-1].retry_after > 0
    assert way.waits() > 0
    assert (way.refused is not None) == (kind == "config")


def test_a_small_send_is_through_before_a_big_one_that_began_with_it():
    assert turn_of(4_000, 1) < turn_of(100_000, 100_000)
    # and who has been served less goes before who has been served more
    assert turn_of(4_000, 4_000) < turn_of(4_000, 2_000) < turn_of(100_000, 50_000)

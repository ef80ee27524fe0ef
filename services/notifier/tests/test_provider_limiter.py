"""The order and rate of calls to a provider, and the circuit that blocks them."""

import asyncio
import time

import pytest

from notifier.domain.circuit_breaker import CONFIG_FAILURES_TO_OPEN, FAILURES_TO_OPEN
from notifier.providers import Outcome
from notifier.sending.provider_limiter import MAX_RESULTS_PER_COMMIT, ProviderLimiter
from notifier.sending.send_worker import priority_of


def limiter_of(calls=1, rate=None, send=None):
    async def accepted(*_):
        return Outcome("accepted")

    return ProviderLimiter("mail", send or accepted, calls, rate)


async def test_the_least_served_goes_next_and_urgent_ones_before_all():
    # given a limiter whose only call is taken
    limiter, order = limiter_of(), []
    await limiter.acquire_slot(0)

    async def wait(priority):
        await limiter.acquire_slot(priority)
        order.append(priority)
        limiter.end_call()
        limiter.release_slots(1)

    tasks = [asyncio.create_task(wait(priority)) for priority in (900, 5, 4, -1, 5000)]
    await asyncio.sleep(0)
    # when it becomes free
    limiter.end_call()
    limiter.release_slots(1)
    await asyncio.gather(*tasks)
    assert order == [-1, 4, 5, 900, 5000]


async def test_calls_and_uncommitted_outcomes_stay_within_their_limits():
    limiter, calling = limiter_of(calls=3), []

    async def one(n):
        await limiter.acquire_slot(n)
        calling.append(n)
        limiter.end_call()

    tasks = [asyncio.create_task(one(n)) for n in range(200)]
    await asyncio.sleep(0.05)
    assert len(calling) == 3 + MAX_RESULTS_PER_COMMIT
    limiter.release_slots(10)
    await asyncio.sleep(0.05)
    assert len(calling) == 13 + MAX_RESULTS_PER_COMMIT
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_cancelled_waiter_releases_its_slot():
    limiter = limiter_of()
    await limiter.acquire_slot(0)
    waiting = [asyncio.create_task(limiter.acquire_slot(n)) for n in range(5)]
    await asyncio.sleep(0)
    for task in waiting[:-1]:
        task.cancel()
    limiter.end_call()
    limiter.release_slots(1)
    await asyncio.wait_for(waiting[-1], 1)


async def test_calls_stay_within_the_rate():
    limiter, began = limiter_of(calls=100, rate=200), time.monotonic()
    await asyncio.gather(*(limiter.acquire_slot(n) for n in range(41)))
    assert 0.19 <= time.monotonic() - began < 20


@pytest.mark.parametrize(("kind", "run"), [("transient", FAILURES_TO_OPEN), ("config", CONFIG_FAILURES_TO_OPEN)])
async def test_a_failing_provider_opens_the_circuit(kind, run):
    calls = []

    async def unwell(*_):
        calls.append(1)
        return Outcome(kind, "why")

    limiter = limiter_of(send=unwell)
    outcomes = [await limiter.call({}, {"address": f"token-{n}"}) for n in range(run + 10)]
    assert len(calls) == run
    assert [outcome.kind for outcome in outcomes[run:]] == ["withheld"] * 10
    assert outcomes[-1].retry_after > 0
    assert limiter.seconds_until_available() > 0
    assert (limiter.configuration_problem is not None) == (kind == "config")


def test_a_small_send_is_finished_before_a_big_one_that_began_with_it():
    assert priority_of(4_000, 1) < priority_of(100_000, 100_000)
    # and who has been served less goes before who has been served more
    assert priority_of(4_000, 4_000) < priority_of(4_000, 2_000) < priority_of(100_000, 50_000)


async def test_trust_9_a_recipient_whose_call_failed_goes_to_the_end_of_the_line():
    answers = {"bad": Outcome("transient", "smtp_421"), "good": Outcome("accepted")}

    async def send(_, delivery):
        return answers[delivery["address"]]

    limiter, order = limiter_of(send=send), []
    await limiter.acquire_slot(0)
    await limiter.call({}, {"address": "bad"})

    async def wait(priority, address):
        await limiter.acquire_slot(priority, address)
        order.append(address)
        limiter.end_call()
        limiter.release_slots(1)

    # when both wait, and the one that failed has the better place
    tasks = [asyncio.create_task(wait(-1, "bad")), asyncio.create_task(wait(5_000, "good"))]
    await asyncio.sleep(0)
    limiter.end_call()
    limiter.release_slots(1)
    await asyncio.gather(*tasks)
    assert order == ["good", "bad"]
    # and once it works, it is one like all others
    answers["bad"] = Outcome("accepted")
    await limiter.call({}, {"address": "bad"})
    order.clear()
    await limiter.acquire_slot(0)
    tasks = [asyncio.create_task(wait(5_000, "good")), asyncio.create_task(wait(-1, "bad"))]
    await asyncio.sleep(0)
    limiter.end_call()
    limiter.release_slots(1)
    await asyncio.gather(*tasks)
    assert order == ["bad", "good"]

"""What several tasks hand in at about the same time is handled together."""

import asyncio

import psycopg
import pytest

from shared.persistence.gathering import Gathering


class Recorder:
    """Handles items once it is allowed to; records each call, and fails on items that are errors."""

    def __init__(self):
        self.calls, self.allowed = [], asyncio.Event()

    async def __call__(self, items):
        self.calls.append(items)
        await self.allowed.wait()
        for item in items:
            if isinstance(item, Exception):
                raise item


async def hand_in(gathering, recorder, items):
    """Hand in the first item, the others while it is being handled; return the outcome of each."""
    tasks = []
    for item in items:
        tasks.append(asyncio.create_task(gathering.handle(item, recorder)))
        while not recorder.calls:  # the first one is being handled from now on
            await asyncio.sleep(0)
    await asyncio.sleep(0)
    recorder.allowed.set()
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_items_that_come_meanwhile_are_handled_together():
    gathering, recorder = Gathering(), Recorder()
    assert await hand_in(gathering, recorder, [1, 2, 3, 4]) == [None] * 4
    assert recorder.calls == [[1], [2, 3, 4]]
    # and one that comes alone afterwards is handled alone
    await gathering.handle(5, recorder)
    assert recorder.calls[2:] == [[5]]


async def test_an_error_of_one_item_is_its_own():
    gathering, recorder, problem = Gathering(), Recorder(), ValueError("of this item")
    assert await hand_in(gathering, recorder, [1, 2, problem, 3]) == [None, None, problem, None]
    assert recorder.calls == [[1], [2, problem, 3], [2], [problem], [3]]


@pytest.mark.parametrize("problem", [psycopg.OperationalError(), psycopg.errors.DeadlockDetected()])
async def test_an_outage_fails_all_of_them_and_none_is_tried_again(problem):
    gathering, recorder = Gathering(), Recorder()
    assert await hand_in(gathering, recorder, [1, 2, problem]) == [None, problem, problem]
    assert recorder.calls == [[1], [2, problem]]


async def test_a_caller_that_is_cancelled_cancels_no_other():
    # given two callers that wait for the same call
    gathering, recorder = Gathering(), Recorder()
    first, gone, other = (asyncio.create_task(gathering.handle(n, recorder)) for n in range(3))
    while not recorder.calls:
        await asyncio.sleep(0)
    # when
    gone.cancel()
    await asyncio.sleep(0)
    recorder.allowed.set()
    # then
    await asyncio.wait([first, gone, other])
    assert gone.cancelled()
    assert first.result() is other.result() is None

"""Rates and ages of queues, from what the broker counts and what workers say."""

import datetime as dt

import pytest

from gateway.operations.queue_reads import ConsumedQueue, Depth, compare, with_depths
from shared.service.held_messages import HeldMessages

NOW = dt.datetime(2026, 11, 30, 8, tzinfo=dt.UTC)
QUEUE = ConsumedQueue(
    name="files.file.uploaded",
    service="files",
    ready=None,
    consumers=None,
    unacknowledged=2,
    depth=None,
    age_seconds=0.5,
    newest_at=NOW - dt.timedelta(seconds=90),
    oldest_seconds=None,
    in_per_second=4.0,
    out_per_second=3.0,
    workers=1,
    paused_workers=0,
    paused=False,
    ordered=None,
)


def shown(depth, **changes):
    queue = QUEUE.model_copy(update=changes)
    (found,) = with_depths({QUEUE.name: queue}, {QUEUE.name: depth}, NOW).items
    return found.in_per_second, found.out_per_second, found.oldest_seconds


@pytest.mark.parametrize(
    ("depth", "changes", "expected"),
    [
        (Depth(10, 1, 1.5), {}, (5.5, 3.0, 90.0)),
        (Depth(10, 1, -6.0), {}, (0.0, 3.0, 90.0)),
        (Depth(0, 1, 0.0), {}, (4.0, 3.0, 0.0)),
        (Depth(10, 0, None), {}, (None, 3.0, 90.0)),
        (Depth(10, 0, 2.0), {"in_per_second": None, "out_per_second": None, "newest_at": None}, (2.0, None, None)),
    ],
    ids=["grows", "falls", "nothing waits", "first question", "no worker"],
)
def test_what_arrives_is_what_was_received_and_what_waits_longer(depth, changes, expected):
    assert shown(depth, **changes) == expected


def test_without_the_broker_rates_of_arrival_and_depths_are_unknown():
    (found,) = with_depths({QUEUE.name: QUEUE}, None, NOW).items
    assert (found.ready, found.in_per_second, found.oldest_seconds, found.out_per_second) == (None, None, None, 3.0)


def test_a_depth_is_compared_with_one_of_the_last_minute():
    before = compare({}, {"a": (10, 1)}, 1.0)
    assert before == {"a": Depth(10, 1, None)}
    assert compare(before, {"a": (4, 2), "b": (1, 0)}, 3.0) == {"a": Depth(4, 2, -2.0), "b": Depth(1, 0, None)}
    assert compare(before, {"a": (4, 2)}, 61.0) == {"a": Depth(4, 2, None)}


def test_a_heartbeat_says_the_rates_since_the_one_before():
    held = HeldMessages(20, since=100.0)
    for _ in range(6):
        held.receive()
    held.messages, held.finished = 2, 4
    said = held.describe(102.0)
    assert (said["holds"], said["at_most"]) == (2, 20)
    assert (said["received_per_second"], said["finished_per_second"]) == (3.0, 2.0)
    again = held.describe(104.0)
    assert (again["holds"], again["received_per_second"], again["finished_per_second"]) == (2, 0.0, 0.0)

"""What the headers of a message say."""

import datetime as dt

import pytest

from shared.events import Envelope


@pytest.mark.parametrize("time", ["2026-09-01T08:00:00", "2026-09-01T08:00:00+00:00", "2026-09-01T10:00:00+02:00"])
def test_a_time_can_be_compared_also_without_an_offset(time):
    now = dt.datetime(2026, 9, 1, 8, tzinfo=dt.UTC)
    headers = {"ce-id": "0" * 32, "ce-type": "school.changed", "ce-source": "gateway", "ce-dataschema": "x:1"}
    assert Envelope.read(headers | {"ce-time": time}).time == now

"""Figures of the last hour are Prometheus' own, are asked for once by many who look, and are named as away."""

import asyncio
import datetime as dt

import httpx
import pytest

from gateway.console.overview_page import plots_of
from gateway.operations.hour_figures import MINUTES, QUERIES, HourFigures, Prometheus

WAITS = "time()"


class Scripted:
    """A Prometheus that has two values for each query, the older of which is none; no queue waits."""

    def __init__(self, status=200):
        self.asked = []
        self.status = status

    def __call__(self, request):
        asked = dict(request.url.params)
        self.asked.append(asked["query"])
        values = [[float(asked["end"]) - 60, "NaN"], [float(asked["end"]), "0.25"]]
        found = [] if WAITS in asked["query"] else [{"metric": {}, "values": values}]
        return httpx.Response(self.status, json={"status": "success", "data": {"result": found}})


def prometheus(script):
    return Prometheus("http://prometheus", httpx.MockTransport(script))


async def test_many_who_look_ask_prometheus_once_and_see_its_values():
    script = Scripted()
    source = prometheus(script)
    found = await asyncio.gather(*(source.read() for _ in range(8)))
    assert sorted(script.asked) == sorted(QUERIES.values())
    assert {each.state for each in found} == {"read"}
    assert list(found[0].seconds["answered"].values()) == [0.25]
    assert found[0].seconds["oldest"] == {}


@pytest.mark.parametrize(
    "script", [Scripted(503), lambda _: httpx.Response(200, json=[]), lambda _: httpx.Response(200)]
)
async def test_a_prometheus_that_gives_no_answer_is_named_as_away(script):
    assert (await prometheus(script).read()).state == "away"


async def test_without_an_address_nothing_is_asked():
    assert (await Prometheus("").read()).state == "unset"


def test_a_plot_has_the_values_of_its_minutes_in_milliseconds():
    last = dt.datetime(2026, 11, 30, 12, 0, tzinfo=dt.UTC)
    before = last - dt.timedelta(minutes=1)
    seconds = {"answered": {before: 0.5}, "planned": {last: 0.25}, "sent": {last: 1.0, before: 2.0}, "oldest": {}}
    answered, sent, oldest = plots_of(HourFigures("read", last, seconds))
    # a minute without a request has no bar, and the newest value is of the last minute only
    assert [(bar.kind, bar.value) for bar in answered.drawn.bars] == [("answered", 500.0)]
    assert answered.newest is None
    # what waits twice is one bar of two parts
    assert [(bar.kind, bar.value) for bar in sent.drawn.bars] == [
        ("sent", 2_000.0),
        ("planned", 250.0),
        ("sent", 1_000.0),
    ]
    assert (sent.drawn.most, sent.drawn.top, sent.newest) == (2_000.0, 2_000.0, 1_250.0)
    assert (oldest.drawn.bars, oldest.newest) == ((), None)
    width = sent.drawn.width / MINUTES
    assert sent.drawn.strokes["planned"].startswith(f"M{sent.drawn.width - width / 2:.0f} 160.0V")

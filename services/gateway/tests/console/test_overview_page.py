"""The overview draws what Prometheus says, and says so when it has none, or no answer."""

import httpx
import pytest

from gateway.operations.hour_figures import Prometheus

pytestmark = pytest.mark.asyncio(loop_scope="module")


def scripted(request):
    """Answer with one value, but for the age of queues: none waits."""
    values = [[float(request.url.params["end"]), "0.25"]]
    found = [] if "time()" in request.url.params["query"] else [{"values": values}]
    return httpx.Response(200, json={"data": {"result": found}})


@pytest.mark.parametrize(
    ("source", "plots", "says"),
    [
        (Prometheus("http://prometheus", httpx.MockTransport(scripted)), 3, "at most 250 ms, now 250 ms"),
        (Prometheus("http://127.0.0.1:1"), 0, "Prometheus did not answer"),
        (Prometheus(""), 0, "set PROMETHEUS_URL"),
    ],
    ids=["read", "away", "unset"],
)
async def test_the_overview_draws_latency_and_age_of_queues(owners, provided, signed_in, school, source, plots, says):
    ready = (200, {"status": "ready", "reasons": []})
    owners(notifier_GET=ready, files_GET=ready, scheduler_GET=ready, reports_GET=ready)
    provided[Prometheus] = source
    async with signed_in(school, "platform_admin") as browser:
        page = await browser.get("/console/overview")
    assert (page.status_code, page.text.count('id="plot-')) == (200, plots)
    assert says in page.text
    assert page.text.count("No value in this hour.") == (plots > 0)

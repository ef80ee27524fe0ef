"""What operators see and order of queues and of the log, on a gateway that is at work."""

import datetime as dt
import re
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from uuid_utils.compat import uuid7

from shared.events import FINAL, Envelope, PersonChanged, SchoolChanged, TaskChanged
from shared.testing.fixtures import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUEUE = "gateway.device.invalidated"
HEARD = "SELECT count(*) FROM worker WHERE facts ? 'replays' AND facts ? 'queues'"
WITHIN = 60


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(live):
    await eventually(lambda: live.one(HEARD), lambda count: count > 0, within=WITHIN)
    return live


@pytest_asyncio.fixture(loop_scope="module")
async def operator(signed_in):
    async with signed_in(None, "platform_admin") as browser:
        yield browser


def hidden(page):
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text.split("<main")[1]))


async def test_a_queue_is_paused_and_resumed_with_a_reason(gateway, operator):
    listed = await operator.get("/console/queues")
    address = f"/console/queues/{QUEUE}"
    assert f'href="{address}/pause"' in listed.text
    assert "/gateway.consumers.ordered/pause" not in listed.text
    assert (await operator.get(f"{address}/pause")).status_code == 200
    assert (await operator.post(f"{address}/pause", reason=" ")).status_code == 422
    assert (await operator.post(f"{address}/pause", reason="The <provider> moves")).status_code == 303
    paused = await operator.get("/console/queues")
    assert "The &lt;provider&gt; moves" in paused.text
    assert f'href="{address}/resume"' in paused.text
    assert (await operator.post(f"{address}/resume", reason="It has moved")).status_code == 303
    assert await gateway.one('SELECT "order" FROM consumer_order WHERE target = %s', (QUEUE,)) == "resume"
    assert (await operator.get("/console/queues/no.queue/pause")).status_code == 404


async def test_an_event_is_found_with_what_followed_from_it(gateway, operator):
    school, person = uuid4(), uuid4()
    first = SchoolChanged(school_id=school, name="Demo", timezone="UTC", version=1, positions={school: 1})
    async with gateway.service.transactions.begin() as tx:
        tx.emit(first)
    page = await eventually(lambda: shown(operator, subject=school), links, within=WITHIN)
    (event,) = links(page)
    cause = replace(Envelope.of(first, "gateway"), id=UUID(event), correlation_id=UUID(event))
    async with gateway.service.transactions.begin(cause) as tx:
        tx.emit(PersonChanged(person_id=person, given_name="Hidden", version=1, positions={school: 2}))
    await eventually(lambda: shown(operator, correlation=event), lambda page: len(links(page)) == 2, within=WITHIN)
    tree = await operator.get(f"/console/log/{event}", read=1)
    assert "<bdi>person.changed</bdi>" in tree.text
    assert "Hidden" not in tree.text
    for wrong, said in (({"type": "no.event"}, "This type is no event."), ({"after": "x"}, "first page")):
        refused = await operator.get("/console/log", read=1, **wrong)
        assert (refused.status_code, said in refused.text) == (422, True)
    assert (await operator.get("/console/log", since="0001-01-01T00:00")).status_code == 422


async def test_a_page_that_is_read_from_the_log_comes_without_it_and_leads_to_it(gateway, operator):
    # given
    task = uuid7()
    event = TaskChanged(task_id=task, kind="demo", state="running", changed_at=dt.datetime.now(dt.UTC))
    async with gateway.service.transactions.begin() as tx:
        tx.emit(event)
    page = await eventually(lambda: shown(operator, type="task.changed"), links, within=WITHIN)
    # when
    for path in ("/console/log", f"/console/log/{links(page)[0]}", f"/console/tasks/{task}/timeline"):
        frame = await operator.get(path, since="2026-01-01T00:00")
        # then
        assert "<tr" not in frame.text
        address = re.search(r'id="later" data-address="([^"]+)"', frame.text)[1].replace("&amp;", "&")
        assert (address.split("?")[0], "read=1" in address) == (path, True)
        assert f'<a class="button" href="{address.replace("&", "&amp;")}">Read the log</a></p></noscript>' in frame.text
        assert "data-address" not in (await operator.get(address)).text


async def shown(browser, **asked):
    return await browser.get("/console/log", read=1, **asked)


def links(page):
    return re.findall(r'<th scope="row"><a href="/console/log/([0-9a-f-]{36})', page.text)


async def test_a_replay_starts_from_its_dry_run_only(gateway, operator):
    async with gateway.service.transactions.begin() as tx:
        tx.emit(TaskChanged(task_id=uuid7(), kind="demo", state="running", changed_at=dt.datetime.now(dt.UTC)))
    form = await operator.get("/console/replays")
    wrong = await operator.post("/console/replays", **hidden(form), target="gateway/remember_tasks", since="soon")
    assert (wrong.status_code, 'value="soon"' in wrong.text) == (422, True)
    asked = {"target": "gateway/remember_tasks", "mode": "in_place"}
    made = [await operator.post("/console/replays", **hidden(form), **asked) for _ in range(2)]
    (address,) = {answer.headers["location"] for answer in made}
    page = await eventually(lambda: operator.get(address), lambda page: "would be read" in page.text, within=WITHIN)
    start = re.search(r'action="(/console/replays/[^"]+/start[^"]*)"', page.text)[1].replace("&amp;", "&")
    # when it is started with another projection than was counted
    other = start.replace("remember_tasks", "another")
    assert (await operator.post(other, **hidden(page))).status_code == 409
    begun = await operator.post(start, **hidden(page))
    assert begun.headers["location"].startswith("/console/tasks/")
    task = begun.headers["location"].rpartition("/")[2]
    ended = "SELECT state FROM task WHERE task_id = %s"
    state = await eventually(lambda: gateway.one(ended, (task,)), FINAL.__contains__, within=WITHIN)
    assert state == "succeeded"
    timeline = await operator.get(f"/console/tasks/{task}/timeline", read=1)
    assert "<bdi>replay.requested</bdi>" in timeline.text
    assert (await operator.get("/console/replays")).text.count("replay.gateway") == 2

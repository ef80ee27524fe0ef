"""Live streams over a real socket: who hears what, what was missed, slow clients, and a stop within a second."""

import asyncio
import datetime as dt
import json
import socket
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from uuid_utils.compat import uuid7

from gateway.http.trust import authorities
from gateway.live.hub import Hub
from gateway.live.sse_response import MOST_CHUNKS, Client, Interest, Watcher
from gateway.main import app, build, build_api
from gateway.settings import Settings
from shared.events import Envelope, InboxChanged, TaskChanged
from shared.http.provided import Provided
from shared.http.tokens import Claims, sign
from shared.service.server import Server, configured
from shared.testing.fixtures import declare, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True)
class Door:
    """A gateway behind a real socket."""

    server: Server
    service: object
    hub: Hub
    url: str
    key: bytes

    @asynccontextmanager
    async def stream(self, path, role, school=None, person=None, since=None, *, seconds=300, status=200):
        token = sign(self.key, Claims(role=role, school=school, person=person), dt.timedelta(seconds=seconds))
        headers = {"Authorization": f"Bearer {token}"} | ({"Last-Event-ID": str(since)} if since else {})
        async with (
            httpx.AsyncClient(base_url=self.url, verify=authorities(), timeout=20) as client,
            client.stream("GET", path, headers=headers) as answer,
        ):
            assert answer.status_code == status, await answer.aread()
            if status != 200:
                yield json.loads(await answer.aread())
                return
            assert answer.headers["content-type"].startswith("text/event-stream")
            yield events(answer)

    async def emit(self, *facts):
        async with self.service.transactions.begin() as tx:
            for fact in facts:
                tx.emit(fact)


async def now(value):
    return value


async def events(answer):
    """(event, data, id) of each."""
    seen = {}
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if line == "" and "event" in seen:
            yield seen["event"], json.loads(seen["data"]), seen.get("id")
            seen = {}
        elif name in ("event", "data", "id"):
            seen[name] = value


async def take(stream, count):
    async with asyncio.timeout(15):
        return [await anext(stream) for _ in range(count)]


def change(school, state="running", version=1, task=None):
    moment = dt.datetime.now(dt.UTC)
    facts = {"kind": "test", "state": state, "version": version, "changed_at": moment}
    return TaskChanged(task_id=task or uuid7(), school_id=school, **facts)


def told(people, school):
    return InboxChanged(school_id=school, notification_id=uuid7(), people=tuple(people), reason="added")


@asynccontextmanager
async def serving(settings):
    service = build_api(settings)
    application = app(service)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        found.listen(256)
        server = Server(configured(settings, application), application)
        running = asyncio.create_task(server.serve([found]))
        try:
            await eventually(service.runtime.not_ready, lambda reasons: reasons == [], within=30)
            url = f"http://127.0.0.1:{found.getsockname()[1]}"
            yield Door(server, service, Provided(Hub).by(application), url, settings.signing_key_file.read_bytes())
        finally:
            server.should_exit = True
            await running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def settings(backing_with_broker):
    found = Settings(**{name.lower(): value for name, value in backing_with_broker.environment("gateway").items()})
    await declare(backing_with_broker.amqp_url, build(found).topology())
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(settings):
    async with serving(settings) as running:
        yield running


async def test_promise_16_a_school_hears_of_its_own_tasks_and_the_group_of_all(door):
    ours, theirs = uuid4(), uuid4()
    async with (
        door.stream("/v1/tasks/events", "staff", ours, uuid4()) as mine,
        door.stream("/v1/tasks/events", "platform_admin") as everything,
        door.stream(f"/v1/tasks/events?school={theirs}", "platform_admin") as one_of_them,
    ):
        first, second, last = change(theirs), change(None), change(ours)
        await door.emit(first)
        await door.emit(second)
        await door.emit(last)
        # then
        ((kind, data, identity),) = await take(mine, 1)
        assert (kind, data["id"], data["state"], data["progress"]) == (
            "task",
            str(last.task_id),
            "running",
            {"done": 0, "total": 0},
        )
        assert abs(int(identity) - time.time() * 1000) < 60_000
        assert {seen[1]["id"] for seen in await take(everything, 3)} == {
            str(fact.task_id) for fact in (first, second, last)
        }
        assert [seen[1]["id"] for seen in await take(one_of_them, 1)] == [str(first.task_id)]


async def test_promise_16_an_inbox_is_its_persons_own_at_the_tokens_school(door):
    school, other, person = uuid4(), uuid4(), uuid4()
    async with (
        door.stream("/v1/me/inbox/events", "guardian", school, person) as mine,
        door.stream("/v1/me/inbox/events", "guardian", school, uuid4()) as anothers,
    ):
        mail = told([uuid4(), person], school)
        await door.emit(told([uuid4()], school))
        await door.emit(told([person], other))
        await door.emit(mail)
        ((kind, data, _),) = await take(mine, 1)
        facts = {"notification_id": str(mail.notification_id), "reason": "added", "school_id": str(school)}
        assert (kind, data) == ("inbox", facts)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await anext(anothers)


async def test_what_was_missed_comes_from_the_rows(door):
    school, since = uuid4(), int(time.time() * 1000)
    missed = [change(school) for _ in range(3)]
    await door.emit(*missed, change(uuid4()))

    async def known():
        async with door.service.transactions.begin() as tx:
            return len(await tx.rows("SELECT FROM task WHERE school_id = %s", (school,)))

    await eventually(known, lambda count: count == 3)
    door.hub._remembered.clear()  # as on another gateway
    async with door.stream("/v1/tasks/events", "staff", school, uuid4(), since=since) as stream:
        assert {seen[1]["id"] for seen in await take(stream, 3)} == {str(fact.task_id) for fact in missed}


async def test_an_event_that_was_just_sent_is_repeated_before_its_row_is_visible(door):
    school, person = uuid4(), uuid4()
    fact = told([person], school)
    moment = Envelope.of(fact, "test")
    await door.hub.heard(told([uuid4()], school), moment)
    await door.hub.heard(fact, Envelope.of(fact, "test"))
    since = moment.id.int >> 80
    async with door.stream("/v1/me/inbox/events", "guardian", school, person, since=since) as stream:
        assert [seen[1]["notification_id"] for seen in await take(stream, 1)] == [str(fact.notification_id)]
    async with door.stream("/v1/me/inbox/events", "guardian", school, person, since=since - 86_400_000) as stream:
        assert [seen[0] for seen in await take(stream, 1)] == ["reset"]


async def test_everybody_comes_back_after_the_broker_was_away(door):
    async with door.stream("/v1/tasks/events", "staff", uuid4(), uuid4()) as stream:
        door.hub.interrupted()
        seen = [event async for event in stream]
        assert [(kind, data) for kind, data, _ in seen] == [("reconnect", {"reason": "interrupted"})]


async def test_a_slow_client_is_asked_to_reconnect_and_costs_no_more_than_its_mailbox():
    hub, school = Hub(), uuid4()
    client = Client(Interest("task", school), Watcher("x"))
    hub.join(client)
    for _ in range(MOST_CHUNKS * 3):
        fact = change(school)
        await hub.heard(fact, Envelope.of(fact, "test"))
    assert client.ended
    assert len(client.chunks) == 1
    assert b'"slow"' in client.take()


async def test_a_client_that_goes_is_forgotten(door):
    async with door.stream("/v1/me/inbox/events", "guardian", uuid4(), uuid4()):
        assert door.hub.clients > 0
    await eventually(lambda: now((door.hub.clients, door.hub._inboxes)), lambda left: left == (0, {}))


async def test_a_stream_ends_with_the_time_of_its_token():
    hub = Hub(longest=-1.0)
    client = Client(Interest("task", None), Watcher("x"))
    hub.join(client)
    running = asyncio.create_task(hub.run())
    try:
        await eventually(lambda: now(client.ended), bool, within=20)
        assert b'"token"' in client.take()
    finally:
        running.cancel()


async def test_a_stream_ends_when_its_token_does_and_gets_nothing_after(door):
    person = uuid4()
    started = time.monotonic()
    async with door.stream("/v1/me/inbox/events", "guardian", uuid4(), person, seconds=1) as stream:
        seen = [event async for event in stream]
        assert [(kind, data) for kind, data, _ in seen] == [("reconnect", {"reason": "token"})]
        assert time.monotonic() - started < 15  # by itself it would stay open for minutes


async def test_streams_of_a_person_and_of_a_school_are_limited(door):
    school, person = uuid4(), uuid4()
    door.hub.per_person, door.hub.per_school = 2, 3
    path = "/v1/me/inbox/events"
    try:
        async with door.stream(path, "guardian", school, person), door.stream(path, "guardian", school, person):
            async with door.stream(path, "guardian", school, person, status=429) as problem:
                assert problem["code"] == "rate_limited"
            async with (
                door.stream(path, "guardian", school, uuid4()),
                door.stream(path, "guardian", school, uuid4(), status=429),
                door.stream(path, "guardian", uuid4(), uuid4()),
            ):
                assert door.hub.clients >= 4
        await eventually(lambda: now(door.hub._open), lambda left: not left)
        async with door.stream(path, "guardian", school, person):
            pass
    finally:
        door.hub.per_person, door.hub.per_school = 20, 5_000


async def test_streams_end_when_the_gateway_stops(settings):
    async with serving(settings) as door, door.stream("/v1/tasks/events", "staff", uuid4(), uuid4()) as stream:
        started = time.monotonic()
        door.server.should_exit = True
        seen = [event async for event in stream]
        assert time.monotonic() - started < 15  # by itself it would stay open for minutes
        assert [(kind, data) for kind, data, _ in seen] == [("reconnect", {"reason": "stopping"})]


@pytest.mark.parametrize(("proxies", "refused"), [("", 4), ("127.0.0.0/8", 0)], ids=["a client", "a trusted proxy"])
async def test_an_address_that_a_client_says_of_itself_changes_no_limit(settings, proxies, refused):
    limited = settings.model_copy(
        update={"rate_link": 0.001, "burst_link": 3, "forwarded_allow_ips": proxies, "operations_port": None}
    )
    async with serving(limited) as door, httpx.AsyncClient(base_url=door.url, timeout=30) as client:
        answers = []
        for number in range(7):
            headers = {"X-Forwarded-For": f"203.0.113.{number}", "Forwarded": f"for=203.0.113.{number}"}
            answers.append((await client.get("/v1/blobs/made-up", headers=headers)).status_code)
    assert (answers.count(429), answers.count(404)) == (refused, 7 - refused)

"""Operators browse the event log and ask for replays; nothing personal is shown, and what cannot be is refused."""

import asyncio
import datetime as dt
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from gateway.event_log.log_reader import Entry, Read
from gateway.operations.log_pages import page
from shared.events import Envelope, PersonChanged, SchoolChanged
from shared.testing.fixtures import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

CANARY = "Canary-Given-Name"
SILENT = """
INSERT INTO worker (worker, service, seen_at, facts)
VALUES ('reports@here:1', 'reports', now() - interval '1 hour', '{}') ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True)
class Logged:
    """A gateway whose log holds an event and what followed from it."""

    gateway: object
    school: UUID
    person: UUID
    correlation: str

    def __getattr__(self, name):
        return getattr(self.gateway, name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def logged(live):
    school, person = uuid4(), uuid4()
    first = SchoolChanged(school_id=school, name="Demo", timezone="UTC", version=1, positions={school: 1})
    async with live.service.transactions.begin() as tx:
        tx.emit(first)
    (seen,) = (await eventually(lambda: browse(live, subject=school), lambda found: found["items"], within=30))["items"]
    cause = replace(Envelope.of(first, "gateway"), id=UUID(seen["id"]), correlation_id=UUID(seen["id"]))
    async with live.service.transactions.begin(cause) as tx:
        tx.emit(PersonChanged(person_id=person, given_name=CANARY, version=1, positions={school: 2}))
    await eventually(lambda: browse(live, subject=person), lambda found: found["items"], within=30)
    return Logged(live, school, person, seen["id"])


async def browse(gateway, **params):
    answer = await gateway.ask("GET", "/v1/log", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_log_is_browsed_page_by_page_and_by_filter_and_shows_no_body(logged):
    pages = {"limit": 1, "correlation_id": logged.correlation}
    first = await browse(logged, **pages)
    assert first["complete"] is True
    second = await browse(logged, **pages, after=first["next"])
    assert [first["items"][0]["type"], second["items"][0]["type"]] == ["school.changed", "person.changed"]
    for params in ({"type": "person.changed"}, {"subject": str(logged.person)}):
        (only,) = (await browse(logged, **params))["items"]
        assert only["subject"] == str(logged.person)
        assert CANARY not in str(only)
    of_school = (await browse(logged, school=str(logged.school)))["items"]
    assert [each["type"] for each in of_school] == ["school.changed", "person.changed"]
    nothing = await browse(logged, subject="unknown")
    assert (nothing["items"], nothing["next"], nothing["looked_at"] >= 2) == ([], None, True)
    for params in ({"after": "nonsense"}, {"type": "no.event"}):
        refused = await logged.ask("GET", "/v1/log", params=params)
        assert refused.status_code == 422, refused.text


async def test_the_log_is_browsed_between_two_times(logged):
    whole = await browse(logged, correlation_id=logged.correlation)
    first, second = (dt.datetime.fromisoformat(each["time"]) for each in whole["items"])
    between = (first + (second - first) / 2).isoformat()
    later = await browse(logged, correlation_id=logged.correlation, since=between)
    earlier = await browse(logged, correlation_id=logged.correlation, until=between)
    assert [later["items"], earlier["items"]] == [whole["items"][1:], whole["items"][:1]]


async def test_a_reading_ends_though_events_keep_coming(logged):
    async def publish():
        while True:
            async with logged.service.transactions.begin() as tx:
                tx.emit(SchoolChanged(school_id=uuid4(), name="Demo", timezone="UTC", version=1, positions={}))
            await asyncio.sleep(0.02)

    publishing = asyncio.create_task(publish())
    try:
        assert (await browse(logged, subject="unknown"))["complete"] is True
    finally:
        publishing.cancel()


async def test_an_event_is_shown_with_what_followed_from_it(logged):
    answer = await logged.ask("GET", f"/v1/log/{logged.correlation}/tree")
    assert answer.status_code == 200, answer.text
    root = answer.json()["tree"]
    (child,) = root["children"]
    assert (root["type"], child["type"], child["indirect"]) == ("school.changed", "person.changed", False)
    assert CANARY not in answer.text
    assert (await logged.ask("GET", f"/v1/log/{uuid4()}/tree")).status_code == 404


async def test_the_streams_say_how_far_they_reach_and_what_could_be_rebuilt(logged):
    await eventually(lambda: heard(logged), lambda services: "gateway" in services, within=20)
    found = (await logged.ask("GET", "/v1/log/streams")).json()
    streams = {each["stream"]: each for each in found["streams"]}
    assert streams["school.log.directory"]["events"] >= 2
    assert streams["school.log.directory"]["lost"] is False
    assert {"service": "gateway", "projection": "remember_tasks", "streams": ["school.log.tasks"],
            "rebuild": "in_place_only"} in found["projections"]  # fmt: skip


async def heard(gateway):
    query = "SELECT service FROM worker WHERE facts ? 'replays' AND seen_at > now() - interval '10 seconds'"
    return [row["service"] for row in await gateway.rows(query)]


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("", {"service": "unknown"}, 422, "is no service that was heard of"),
        ("", {"service": "gateway", "projection": "wrong"}, 422, "choose one of remember_tasks"),
        ("", {"service": "gateway", "mode": "rebuild"}, 422, "choose `in_place`"),
        ("", {"service": "gateway", "mode": "rebuild", "since": "2026-09-01T00:00:00Z"}, 422, "reads the whole log"),
        ("", {"service": "gateway", "types": ["file.processed"]}, 422, "choose one of task.changed"),
        ("", {"service": "gateway", "since": "2999-01-01T00:00:00Z"}, 422, "has not come yet"),
        (
            "",
            {"service": "gateway", "since": "2026-09-02T00:00:00Z", "until": "2026-09-01T00:00:00Z"},
            422,
            "is before `since`",
        ),
        ("/reactions", {"service": "gateway", "type": "file.processed", "dry_run": True}, 422, "has no filter"),
        ("/reactions", {"service": "gateway", "type": "file.processed", "everything": True}, 422, "needs `until`"),
        (
            "/reactions",
            {"service": "gateway", "type": "grade.recorded", "everything": True, "dry_run": True},
            422,
            "choose one of absence.recorded",
        ),
        ("/resyncs", {"state": "everything"}, 422, "choose one of directory"),
        ("", {"service": "reports"}, 503, "No worker of reports is live"),
    ],
)
async def test_a_replay_that_cannot_be_is_refused_and_leaves_nothing(logged, path, body, status, says):
    await eventually(lambda: heard(logged), lambda services: "gateway" in services, within=20)
    async with logged.service.transactions.begin() as tx:
        await tx.execute(SILENT)
    tasks = await logged.one("SELECT count(*) FROM task")
    answer = await logged.ask("POST", f"/v1/replays{path}", json=body)
    assert answer.status_code == status, answer.text
    assert says in answer.text
    assert await logged.one("SELECT count(*) FROM task") == tasks


async def test_a_replay_is_a_task_once_for_a_key_and_its_act_is_in_the_audit(logged):
    await eventually(lambda: heard(logged), lambda services: "gateway" in services, within=20)
    body = {"service": "gateway", "mode": "in_place", "dry_run": True}
    answers = [
        await logged.ask("POST", "/v1/replays", json=body, headers={"Idempotency-Key": "again"}) for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [202, 202]
    (task,) = {answer.json()["task_id"] for answer in answers}
    ended = await eventually(
        lambda: read(logged, task), lambda found: found["state"] in ("succeeded", "failed"), within=40
    )
    assert (ended["kind"], ended["state"], ended["error"]) == ("replay.gateway", "succeeded", None)
    assert ended["result"]["handler"] == "gateway.remember_tasks"
    assert ended["result"]["published"] == 0
    acts = await logged.rows("SELECT action, subject FROM audit WHERE subject->>'task_id' = %s", (task,))
    assert {act["action"] for act in acts} == {"POST /v1/replays"}
    assert acts[0]["subject"]["consumer"] == "remember_tasks"


async def read(gateway, task):
    return (await gateway.ask("GET", f"/v1/tasks/{task}")).json()


async def test_the_directory_is_published_again_as_a_task(logged):
    await eventually(lambda: heard(logged), lambda services: "gateway" in services, within=20)
    await logged.add_school()
    answer = await logged.ask("POST", "/v1/replays/resyncs", json={})
    task = answer.json()["task_id"]
    ended = await eventually(
        lambda: read(logged, task), lambda found: found["state"] in ("succeeded", "failed"), within=40
    )
    assert ended["state"] == "succeeded", ended
    assert ended["result"]["published"] >= 1


def entry(stream, offset, second):
    event = SchoolChanged(school_id=uuid4(), name="Demo", timezone="UTC", version=1)
    time = dt.datetime(2026, 11, 30, 8, 0, second, tzinfo=dt.UTC)
    known = Envelope.of(event, "gateway")
    changes = {name: getattr(known, name) for name in ("id", "type", "source", "subject")}
    return Entry(stream, offset, 1, Envelope(**changes, time=time))


async def test_events_after_the_end_of_a_stream_that_has_more_wait_for_the_next_page():
    a, b = "school.log.directory", "school.log.records"
    slow = Read([entry(a, 4, 1)], 1, 4, dt.datetime(2026, 11, 30, 8, 0, 1, tzinfo=dt.UTC))
    whole = Read([entry(b, 7, 0), entry(b, 8, 2)], 2, 8, None, complete=True)
    found = page({a: slow, b: whole}, {a: "first", b: "first"}, 10)
    assert [(each.stream, each.offset) for each in found.items] == [(b, 7), (a, 4)]
    assert (found.complete, found.next) == (False, "5_8_-_-")


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00"])
@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/v1/log", "since"),
        ("GET", "/v1/log", "until"),
        ("GET", "/v1/tasks", "from"),
        ("GET", "/v1/tasks", "until"),
        ("POST", "/v1/replays", "since"),
        ("POST", "/v1/replays", "until"),
        ("POST", "/v1/failures/retry", "seen_until"),
    ],
)
async def test_a_time_at_the_edge_of_the_calendar_is_refused(gateway, method, path, name, moment):
    times = {name: moment}
    asked = {"params": times} if method == "GET" else {"json": {"service": "gateway"} | times}
    answer = await gateway.ask(method, path, **asked)
    assert answer.status_code == 422, answer.text
    assert name in {error["loc"][-1] for error in answer.json()["errors"]}

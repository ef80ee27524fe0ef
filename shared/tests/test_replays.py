"""Replays as tasks: a service reads the log again for one consumer, with no effect outside of it."""

import asyncio
import datetime as dt
import uuid
from dataclasses import replace

import psycopg
import pytest
import pytest_asyncio
from mirror_service import POISON, TABLE, build

from shared.events import DeviceInvalidated, Envelope, PersonChanged, ReplayRequested, TaskCancelRequested, TaskChanged
from shared.events.directory import SchoolChanged
from shared.replays.reading import read_in_place
from shared.replays.serve import consumers
from shared.replays.watcher import Unattended
from shared.service.service import Service
from shared.settings import ServiceSettings
from shared.testing.fixtures import Recorder, declare, eventually, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROWS = "SELECT school_id, name, version FROM mirror ORDER BY school_id"
CANARY = "Kanarienvogel"
NOW = dt.datetime.now(dt.UTC)
ENDED = ("succeeded", "failed", "cancelled")


class Replayed:
    """A running service, its log of 30 schools, and what it published."""

    def __init__(self, backing, admin):
        self.backing = backing
        self.admin = admin
        self.published = []
        self.reported = {}
        self.reacted = Recorder()
        environment = {key.lower(): value for key, value in backing.environment("notifier").items()}
        self.settings = ServiceSettings(**(environment | {"retry_tiers": (1,)}))
        self.service = build(self.settings, self.reacted.one)
        self.service.on_broadcast((DeviceInvalidated, TaskChanged), self.hear)

    async def hear(self, event, _):
        if isinstance(event, TaskChanged):
            self.reported.setdefault(event.task_id, []).append(event)
        else:
            self.published.append(event)

    async def emit(self, *facts):
        async with self.service.transactions.begin() as tx:
            for fact in facts:
                tx.emit(fact)

    async def rows(self):
        async with self.service.transactions.begin() as tx:
            return await tx.rows(ROWS)

    async def start(self, mode, consumer="mirror", **more):
        task = uuid.uuid4()
        asked = {"service": "notifier", "consumer": consumer, "mode": mode, "requested_at": NOW}
        await self.emit(ReplayRequested(**(asked | {"task_id": task} | more)))
        return task

    async def end(self, task):
        async def look():
            return self.reported.get(task, [])

        reported = await eventually(look, lambda found: found and found[-1].state in ENDED, within=60)
        return reported[-1]

    async def ask(self, mode, consumer="mirror", **more):
        """Ask for a replay; its task once it has ended."""
        return await self.end(await self.start(mode, consumer, **more))

    def one(self, query, *values):
        return self.admin.execute(query, values).fetchone()[0]

    def spoil(self):
        """Make one row wrong, remove one, add one."""
        self.admin.execute("UPDATE mirror SET name = 'wrong' WHERE school_id = %s", (self.facts[0].school_id,))
        self.admin.execute("DELETE FROM mirror WHERE school_id = %s", (self.facts[1].school_id,))
        self.admin.execute("INSERT INTO mirror VALUES (gen_random_uuid(), 'surplus', 1)")


def school(name, version=1, school_id=None):
    school_id = school_id or uuid.uuid4()
    positions = {school_id: version}
    return SchoolChanged(school_id=school_id, name=name, timezone="UTC", version=version, positions=positions)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def replayed(backing):
    with psycopg.connect(backing.admin_url, autocommit=True) as admin:
        admin.execute(TABLE)
        admin.execute("SET search_path = notifier")
        found = Replayed(backing, admin)
        await declare(backing.amqp_url, found.service.topology())
        async with running(found.service):
            found.facts = [school(f"school {n}") for n in range(30)]
            await found.emit(*found.facts)
            await eventually(found.rows, lambda rows: len(rows) == len(found.facts))
            await found.reacted.until(lambda seen: len(seen) == len(found.facts))

            async def published():
                return len(found.published)

            await eventually(published, lambda number: number == len(found.facts))
            yield found


async def test_promise_12_a_rebuild_as_a_task_repairs_rows_publishes_nothing_and_touches_no_other(replayed):
    # given
    right, other = await replayed.rows(), replayed.admin.execute("SELECT * FROM other").fetchall()
    replayed.admin.execute("DELETE FROM other")
    replayed.spoil()
    seen = replayed.admin.execute("SELECT * FROM directory_seen ORDER BY 1").fetchall()
    before = len(replayed.published)
    # when
    task = await replayed.ask("rebuild")
    # then
    assert (task.state, task.error) == ("succeeded", None)
    assert task.result["changed"] == {"mirror": 3}
    assert await replayed.rows() == right
    again = await replayed.ask("rebuild")
    assert again.result == {"changed": {"mirror": 0}, "failed": 0}
    assert seen == replayed.admin.execute("SELECT * FROM directory_seen ORDER BY 1").fetchall()
    # nothing that the handler emitted was published, and no row of the other projection came back
    assert len(replayed.published) == before
    assert replayed.one("SELECT count(*) FROM other") == 0
    assert [replayed.one(f"SELECT count(*) FROM notifier_shadow.{name}") for name in ("outbox", "mirror")] == [0, 0]
    replayed.admin.cursor().executemany("INSERT INTO other VALUES (%s)", other)


async def test_a_part_of_the_log_is_read_again_in_place_while_live_events_go_on(replayed):
    # given
    right = await replayed.rows()
    replayed.spoil()
    before, chosen = len(replayed.published), replayed.facts[1].school_id
    # when: only the school whose row is missing
    task = await replayed.ask("in_place", schools=(chosen,), since=NOW - dt.timedelta(hours=1))
    # then
    assert (task.state, task.error) == ("succeeded", None)
    assert (task.result["events"], task.result["held_back"], task.result["published"]) == (1, 1, 0)
    assert task.result["streams"]["school.log.directory"]["types"] == {"school.changed": 1}
    names = {row["name"] for row in await replayed.rows()}
    assert {"school 1", "wrong", "surplus"} <= names
    # when: all of it
    replayed.admin.execute("DELETE FROM mirror WHERE name IN ('wrong', 'surplus')")
    task = await replayed.ask("in_place")
    assert task.state == "succeeded"
    assert await replayed.rows() == right
    assert len(replayed.published) == before


class Ended(Unattended):
    """A replay whose worker ends before its last commit, unless it `finishes`."""

    finishes = False
    result = None

    def commit(self):
        if not self.finishes:
            raise asyncio.CancelledError
        return super().commit()

    async def finish(self, tx, result):
        self.result = result
        await super().finish(tx, result)


async def test_a_replay_in_place_that_ended_after_its_last_event_is_finished_with_its_whole_result(replayed):
    # given
    asked = {"service": "notifier", "consumer": "mirror", "mode": "in_place", "requested_at": NOW}
    request = ReplayRequested(task_id=uuid.uuid4(), **asked)
    right = await replayed.rows()
    replayed.admin.execute("DELETE FROM mirror WHERE school_id = %s", (replayed.facts[1].school_id,))
    watcher = Ended(replayed.service.transactions, request.task_id)
    with pytest.raises(asyncio.CancelledError):
        await read_in_place(replayed.service, request, watcher)
    # when
    watcher.finishes = True
    await read_in_place(replayed.service, request, watcher)
    # then
    assert await replayed.rows() == right
    assert watcher.result["events"] >= len(replayed.facts)


async def test_a_dry_run_counts_and_says_what_would_react(replayed):
    seen = len(replayed.reacted.seen)
    replayed.admin.execute(
        "DELETE FROM inbox WHERE ctid IN (SELECT ctid FROM inbox WHERE consumer = 'notifier.school.changed' LIMIT 2)"
    )
    whole = await replayed.ask("rebuild", dry_run=True)
    assert whole.result["events"] >= len(replayed.facts)
    asked = {"since": NOW - dt.timedelta(hours=1), "until": dt.datetime.now(dt.UTC)}
    dry = await replayed.ask("react", "school.changed", dry_run=True, **asked)
    count = dry.result["events"]
    assert (dry.result["would_handle"], dry.result["handled_before"]) == (2, count - 2)
    assert len(replayed.reacted.seen) == seen
    # when: another number than was seen, then the right one
    drifted = await replayed.ask("react", "school.changed", count=count + 1, **asked)
    assert (drifted.state, "make a dry run again" in drifted.error) == ("failed", True)
    done = await replayed.ask("react", "school.changed", count=count, **asked)
    assert (done.state, done.result["given"], done.result["handled_before"]) == ("succeeded", count, count - 2)
    # then: only what had not been handled
    await replayed.reacted.until(lambda now: len(now) == seen + 2)
    again = await replayed.ask("react", "school.changed", dry_run=True, **asked)
    assert again.result["would_handle"] == 0


async def test_events_that_the_inbox_may_have_forgotten_are_not_given_to_a_reaction(replayed):
    # given: an event of the log from before the inbox, which the projection reads once more
    seen, before = len(replayed.reacted.seen), len(replayed.published)
    old = NOW - dt.timedelta(days=replayed.settings.inbox_days)
    envelope = replace(Envelope.of(replayed.facts[0], "gateway"), time=old)
    body = replayed.facts[0].model_dump_json().encode()
    await replayed.service.components.publisher.publish("", "school.log.directory", body, envelope.headers())

    async def published():
        return len(replayed.published)

    await eventually(published, lambda number: number == before + 1)
    # when: everything, or a time before the inbox
    until = dt.datetime.now(dt.UTC)
    for since in (None, old):
        for asked in ({"dry_run": True}, {"count": len(replayed.facts) + 1}):
            task = await replayed.ask("react", "school.changed", since=since, until=until, **asked)
            # then
            assert (task.state, str(envelope.id) in task.error, "INBOX_DAYS" in task.error) == ("failed", True, True)
    assert len(replayed.reacted.seen) == seen


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"mode": "rebuild", "consumer": "unknown"}, "notifier can rebuild named, mirror"),
        ({"mode": "rebuild", "consumer": "other"}, "notifier can rebuild named, mirror"),
        ({"mode": "in_place", "consumer": "unknown"}, "notifier has named, mirror, other"),
        ({"mode": "in_place", "schools": (uuid.UUID(int=1),)}, "no event of the log matches: nothing was done"),
        ({"mode": "in_place", "since": NOW + dt.timedelta(days=1)}, "no event of the log matches: nothing was done"),
        ({"mode": "in_place", "types": ("file.processed",)}, "mirror does not read file.processed"),
        ({"mode": "react", "consumer": "grade.recorded"}, "notifier does not react to grade.recorded"),
        ({"mode": "react", "consumer": "replay.requested"}, "replay.requested is an order of an operator"),
        ({"mode": "resync", "consumer": "directory"}, "notifier owns no state"),
    ],
)
async def test_a_replay_that_cannot_be_fails_with_the_reason_and_changes_nothing(replayed, asked, says):
    before = await replayed.rows()
    task = await replayed.ask(**asked)
    assert (task.state, task.error.partition(says)[1]) == ("failed", says), task.error
    assert await replayed.rows() == before


async def test_a_request_of_another_service_is_left_to_it(replayed):
    other = await replayed.start("rebuild", service="reports")
    ours = await replayed.ask("in_place", dry_run=True)
    assert ours.state == "succeeded"
    assert replayed.one("SELECT count(*) FROM task_track WHERE task_id = %s", other) == 0


async def test_a_replay_is_cancelled_before_it_began_and_while_it_waits(replayed):
    async with replayed.service.transactions.begin() as tx:
        await tx.execute("SELECT pg_advisory_xact_lock(hashtext('notifier_shadow'))")  # another replay runs
        task = await replayed.start("rebuild")

        async def state():
            return [each.state for each in replayed.reported.get(task, [])]

        await eventually(state, lambda states: "running" in states, within=30)
        cancel = TaskCancelRequested(task_id=task, kind="replay.notifier", requested_at=NOW)
        await replayed.emit(cancel)
        assert (await replayed.end(task)).state == "cancelled"
    assert (await replayed.ask("rebuild")).state == "succeeded"


async def test_an_event_that_cannot_be_applied_is_named_and_the_rows_stay(replayed):
    # given
    before = await replayed.rows()
    POISON.add(replayed.facts[2].school_id)
    # when
    try:
        task = await replayed.ask("rebuild")
    finally:
        POISON.clear()
    # then
    assert task.state == "failed"
    assert "1 events cannot be applied, the first at offset" in task.error
    assert await replayed.rows() == before


async def test_promise_14_a_rebuild_after_an_erasure_makes_no_name_again(replayed):
    # given: a person whose name was encrypted in the log and stored by the projection
    environment = {key.lower(): value for key, value in replayed.backing.environment("gateway").items()}
    owner = Service("gateway", ServiceSettings(**environment), creates_keys=True)
    await declare(replayed.backing.amqp_url, owner.topology())
    person = uuid.uuid4()

    async def name():
        found = replayed.admin.execute("SELECT given_name FROM named WHERE person_id = %s", (person,)).fetchone()
        return found and found[0]

    async with running(owner):
        async with owner.transactions.begin() as tx:
            tx.emit(PersonChanged(person_id=person, given_name=CANARY, version=1))
        await eventually(name, lambda found: found == CANARY)
        # when: the key is deleted, and the projection is rebuilt
        await owner.vault.erase(person)
    replayed.service.vault.clear_cache()
    task = await replayed.ask("rebuild", "named")
    # then
    assert (task.state, task.error) == ("succeeded", None)
    assert task.result["changed"] == {"named": 1}
    assert await name() is None
    assert replayed.one("SELECT count(*) FROM notifier_shadow.named") == 0


async def test_heartbeats_name_what_can_be_replayed(replayed):
    assert consumers(replayed.service) == {
        "projections": {
            "mirror": {"topics": ["school.changed"], "rebuild": True},
            "named": {"topics": ["person.changed"], "rebuild": True},
            "other": {"topics": ["school.changed"], "rebuild": False},
        },
        "reactions": ["school.changed"],
        "resyncs": [],
    }

"""Replays as tasks: a service reads the log again for one consumer, with no effect outside of it."""

import datetime as dt
import uuid

import psycopg
import pytest
import pytest_asyncio

from shared.events import DeviceInvalidated, ReplayRequested, TaskCancelRequested, TaskChanged
from shared.events.directory import SchoolChanged
from shared.replays.serve import cancelling, serve
from shared.testing.fixtures import declare, eventually, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

TABLE = """
CREATE TABLE IF NOT EXISTS notifier.mirror (school_id uuid PRIMARY KEY, name text, version bigint);
CREATE TABLE IF NOT EXISTS notifier.other (school_id uuid PRIMARY KEY);
ALTER TABLE notifier.mirror OWNER TO notifier_owner;
ALTER TABLE notifier.other OWNER TO notifier_owner;
GRANT ALL ON notifier.mirror, notifier.other TO notifier_worker;
"""
MIRROR = """
INSERT INTO mirror VALUES (%(school_id)s, %(name)s, %(version)s)
ON CONFLICT (school_id) DO UPDATE SET name = excluded.name, version = excluded.version
WHERE mirror.version < excluded.version
"""
ROWS = "SELECT school_id, name, version FROM mirror ORDER BY school_id"
TASK = "SELECT data::jsonb AS task FROM told WHERE task_id = %s ORDER BY version DESC LIMIT 1"
NOW = dt.datetime.now(dt.UTC)
POISON = "poison"


class Replayed:
    """A service with a projection that publishes and a reaction, its log, and what was published."""

    def __init__(self, service, admin):
        self.service = service
        self.admin = admin
        self.published = []
        self.tasks = {}
        self.reacted = []

    async def mirror(self, events, tx):
        for event in events:
            if event.name == POISON:
                raise ValueError(POISON)
            await tx.execute(MIRROR, {"school_id": event.school_id, "name": event.name, "version": event.version})
            tx.emit(effect())

    async def other(self, events, tx):
        for event in events:
            await tx.execute("INSERT INTO other VALUES (%s) ON CONFLICT DO NOTHING", (event.school_id,))

    async def react(self, event, tx):
        self.reacted.append(event.school_id)

    async def hear(self, event, _):
        if isinstance(event, TaskChanged):
            self.tasks[event.task_id] = event
        else:
            self.published.append(event)

    async def emit(self, *facts):
        async with self.service.transactions.begin() as tx:
            for fact in facts:
                tx.emit(fact)

    async def rows(self):
        async with self.service.transactions.begin() as tx:
            return await tx.rows(ROWS)

    async def ask(self, mode, consumer="mirror", **more):
        """Ask for a replay; its task once it has ended."""
        task = uuid.uuid4()
        await self.emit(
            ReplayRequested(task_id=task, service="notifier", consumer=consumer, mode=mode, requested_at=NOW, **more)
        )
        return await self.end(task)

    async def end(self, task):
        async def look():
            return self.tasks.get(task)

        return await eventually(
            look, lambda found: found and found.state in ("succeeded", "failed", "cancelled"), within=40
        )


def effect():
    return DeviceInvalidated(school_id=uuid.uuid4(), person_id=uuid.uuid4(), token_sha256="0" * 64, attempted_at=NOW)


def school(name, version=1, school_id=None):
    school_id = school_id or uuid.uuid4()
    positions = {school_id: version}
    return SchoolChanged(school_id=school_id, name=name, timezone="UTC", version=version, positions=positions)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def replayed(backing, spine_of):
    with psycopg.connect(backing.admin_url, autocommit=True) as admin:
        admin.execute(TABLE)
        admin.execute("SET search_path = notifier")
        service = spine_of(backing).build()
        found = Replayed(service, admin)
        service.project("mirror", (SchoolChanged,), found.mirror)
        service.rebuilds("mirror", ["mirror"])
        service.project("other", (SchoolChanged,), found.other)
        service.on(SchoolChanged, found.react)
        service.on(TaskCancelRequested, cancelling("notifier"))
        service.on_broadcast((DeviceInvalidated, TaskChanged), found.hear)
        serve(service)
        await declare(backing.amqp_url, service.topology())
        async with running(service):
            facts = [school(f"school {n}") for n in range(30)]
            await found.emit(*facts)
            await eventually(found.rows, lambda rows: len(rows) == len(facts))
            await eventually(lambda: sent(found), lambda number: number == len(facts))
            found.facts = facts
            yield found


async def sent(found):
    return len(found.published)


def spoil(admin, facts):
    """One row is wrong, one is missing, one is surplus."""
    admin.execute("UPDATE mirror SET name = 'wrong' WHERE school_id = %s", (facts[0].school_id,))
    admin.execute("DELETE FROM mirror WHERE school_id = %s", (facts[1].school_id,))
    admin.execute("INSERT INTO mirror VALUES (gen_random_uuid(), 'nobody', 1)")


async def test_promise_12_a_rebuild_as_a_task_repairs_rows_publishes_nothing_and_touches_no_other(replayed):
    right = await replayed.rows()
    replayed.admin.execute("DELETE FROM other")
    spoil(replayed.admin, replayed.facts)
    before = len(replayed.published)
    # when
    task = await replayed.ask("rebuild")
    # then
    assert (task.state, task.error) == ("succeeded", None)
    assert task.result["changed"] == {"mirror": 3, "directory_seen": 0}
    assert await replayed.rows() == right
    again = await replayed.ask("rebuild")
    assert again.result == {"changed": {"mirror": 0, "directory_seen": 0}, "failed": 0}
    # nothing that the handler emitted was published, no row of the other projection came back
    assert len(replayed.published) == before
    assert replayed.admin.execute("SELECT count(*) FROM other").fetchone() == (0,)
    assert replayed.admin.execute("SELECT count(*) FROM notifier_shadow.outbox").fetchone() == (0,)
    # and the live reader continues
    await replayed.emit(school("later"))
    await eventually(replayed.rows, lambda rows: "later" in {row["name"] for row in rows})

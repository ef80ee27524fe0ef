"""A rebuild whose worker dies in the middle."""

import asyncio
import os
import signal
import sys
import uuid
from pathlib import Path

import psycopg
from mirror_service import TABLE, build

from shared.events import ReplayRequested
from shared.events.directory import SchoolChanged
from shared.settings import ServiceSettings
from shared.testing.fixtures import declare, eventually, running

WORKER = Path(__file__).with_name("replaying_worker.py")
EVENTS = 900
ROWS = "SELECT school_id, name, version FROM mirror ORDER BY school_id"
FILLED = "SELECT coalesce(max(position), -1) FROM notifier_shadow.log_offset"


async def test_promise_12_a_rebuild_whose_worker_is_killed_changes_nothing_and_is_finished_by_another(backing):
    environment = backing.environment("notifier")
    settings = ServiceSettings(**{key.lower(): value for key, value in environment.items()})

    def read(query):
        return admin.execute(query).fetchall()

    async def filled():
        there = admin.execute("SELECT to_regclass('notifier_shadow.log_offset')").fetchone()[0]
        return read(FILLED)[0][0] if there else -1

    async def rows():
        return read(ROWS)

    async def state():
        return admin.execute("SELECT state FROM task_track WHERE task_id = %s", (task,)).fetchone()

    with psycopg.connect(backing.admin_url, autocommit=True) as admin:
        admin.execute(TABLE)
        admin.execute("SET search_path = notifier")
        # given: a log that was mirrored, and rows that are wrong
        task = uuid.uuid4()
        first = build(settings)
        await declare(backing.amqp_url, first.topology())
        async with running(first):
            async with first.transactions.begin() as tx:
                for number in range(EVENTS):
                    name = {"name": f"school {number}", "timezone": "UTC", "version": 1}
                    tx.emit(SchoolChanged(school_id=uuid.uuid4(), **name))
            right = await eventually(rows, lambda found: len(found) == EVENTS, within=60)
        admin.execute("DELETE FROM mirror WHERE name LIKE '%9'")
        spoiled = read(ROWS)
        # when: a slow worker is killed in the middle
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(WORKER), env=dict(os.environ) | environment | {"PAUSE": "3"}
        )
        try:
            asking = build(settings)
            await asking.database.open()
            async with asking.transactions.begin() as tx:
                asked = {"service": "notifier", "consumer": "mirror", "mode": "rebuild"}
                tx.emit(ReplayRequested(task_id=task, **asked, requested_at="2026-11-30T08:00:00Z"))
            await asking.database.close()
            reached = await eventually(filled, lambda position: position >= 0, within=90)
        finally:
            process.send_signal(signal.SIGKILL)
            await process.wait()
        # then: the rows are as they were, and the next worker goes on where the first one was
        assert reached < EVENTS - 1
        assert read(ROWS) == spoiled
        async with running(build(settings)):
            await eventually(state, lambda found: found and found[0] == "succeeded", within=90)
        assert read(ROWS) == right

"""A service whose projection mirrors schools and publishes for each, and which reacts to them."""

import asyncio
import datetime as dt
import uuid

from shared.events import DeviceInvalidated, PersonChanged, TaskCancelRequested
from shared.events.directory import SchoolChanged
from shared.jobs.time_limits import TimeLimits
from shared.replays.serve import cancelling, serve
from shared.service.service import Service

TABLE = """
CREATE TABLE IF NOT EXISTS notifier.mirror (school_id uuid PRIMARY KEY, name text, version bigint);
CREATE TABLE IF NOT EXISTS notifier.other (school_id uuid PRIMARY KEY);
CREATE TABLE IF NOT EXISTS notifier.named (person_id uuid PRIMARY KEY, given_name text);
ALTER TABLE notifier.named OWNER TO notifier_owner;
ALTER TABLE notifier.mirror OWNER TO notifier_owner;
ALTER TABLE notifier.other OWNER TO notifier_owner;
GRANT ALL ON notifier.mirror, notifier.other, notifier.named TO notifier_worker;
"""
MIRROR = """
INSERT INTO mirror VALUES (%(school_id)s, %(name)s, %(version)s)
ON CONFLICT (school_id) DO UPDATE SET name = excluded.name, version = excluded.version
WHERE mirror.version < excluded.version
"""
NAME = """
INSERT INTO named VALUES (%s, %s) ON CONFLICT (person_id) DO UPDATE SET given_name = excluded.given_name
"""
POISON: set[uuid.UUID] = set()
"""Schools that cannot be mirrored."""
QUICK = TimeLimits(lease=1.5, beat=0.3, again=True)


def effect():
    now = dt.datetime.now(dt.UTC)
    return DeviceInvalidated(school_id=uuid.uuid4(), person_id=uuid.uuid4(), token_sha256="0" * 64, attempted_at=now)


def build(settings, react=None, pause=0.0):
    """Build it; `pause` is how long the mirror of each batch takes."""
    service = Service("notifier", settings)

    async def mirror(events, tx):
        await asyncio.sleep(pause)
        for event in events:
            if event.school_id in POISON:
                raise ValueError(event.school_id)
            await tx.execute(MIRROR, {"school_id": event.school_id, "name": event.name, "version": event.version})
            tx.emit(effect())

    async def other(events, tx):
        for event in events:
            await tx.execute("INSERT INTO other VALUES (%s) ON CONFLICT DO NOTHING", (event.school_id,))

    async def name(events, tx):
        for event in events:
            await tx.execute(NAME, (event.person_id, event.given_name))

    service.project("named", (PersonChanged,), name)
    service.rebuilds("named", ["named"])
    service.project("mirror", (SchoolChanged,), mirror)
    service.rebuilds("mirror", ["mirror"])
    service.project("other", (SchoolChanged,), other)
    if react is not None:
        service.on(SchoolChanged, react)
    service.on(TaskCancelRequested, cancelling("notifier"))
    serve(service, QUICK)
    return service

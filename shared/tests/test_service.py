"""One service on the real broker and database: an event in, rows and an event out."""

import uuid
from contextlib import asynccontextmanager

import pytest

from shared.errors import Reject, Retry
from shared.events import SchoolChanged
from shared.service import Service
from shared.settings import ServiceSettings
from shared.testing import declare, eventually, running


@asynccontextmanager
async def a_service(backing, *registrations, **changes):
    environment = {name.lower(): value for name, value in backing.environment("notifier").items()}
    service = Service("notifier", ServiceSettings(**(environment | {"retry_tiers": (1, 2)} | changes)))
    for register in registrations:
        register(service)
    await declare(backing.amqp_url, service.topology())
    async with running(service):
        yield service


def school(version=1, school_id=None, position=None):
    school_id = school_id or uuid.uuid4()
    return SchoolChanged(
        school_id=school_id, name="Demo", timezone="UTC", version=version, positions={school_id: position or version}
    )


async def count(service, query, *values):
    async with service.database.worker() as connection:
        row = await (await connection.execute(query, values)).fetchone()
        return row["count"]


async def test_an_event_is_handled_once_and_leaves_the_outbox(backing):
    seen = []

    async def remember(event, tx):
        seen.append(event.school_id)

    async with a_service(backing, lambda s: s.on(SchoolChanged, remember)) as service:
        facts = [school() for _ in range(50)]
        async with service.transactions.begin() as tx:
            for fact in facts:
                tx.emit(fact)

        mine = {fact.school_id for fact in facts}

        async def handled():
            return [school_id for school_id in seen if school_id in mine]

        found = await eventually(handled, lambda ids: len(ids) >= len(mine))
        assert sorted(found) == sorted(mine)
        await eventually(lambda: count(service, "SELECT count(*) FROM outbox"), lambda n: n == 0)


async def test_a_projection_gets_the_newest_state_and_the_positions(backing):
    seen = []

    async def project_schools(events, tx):
        seen.extend(events)

    async with a_service(backing, lambda s: s.project((SchoolChanged,), project_schools)) as service:
        identity = uuid.uuid4()
        async with service.transactions.begin() as tx:
            for version in (3, 1, 2):
                tx.emit(school(version, identity))

        async def positions():
            async with service.database.worker() as connection:
                row = await (
                    await connection.execute(
                        "SELECT versions::text FROM directory_seen WHERE school_id = %s", (identity,)
                    )
                ).fetchone()
                return row["versions"] if row else None

        await eventually(positions, lambda text: text == "{[1,4)}")
        mine = [event.version for event in seen if event.school_id == identity]
        assert 3 in mine


@pytest.mark.parametrize(("problem", "tries"), [(ValueError("secret"), 3), (Reject("no"), 1), (Retry("soon"), 3)])
async def test_failures_go_through_the_tiers_and_end_as_dead_letters(backing, problem, tries):
    seen = []

    async def fail(event, tx):
        seen.append(event.school_id)
        raise problem

    async with a_service(backing, lambda s: s.on(SchoolChanged, fail)) as service:
        fact = school()
        async with service.transactions.begin() as tx:
            tx.emit(fact)

        async def attempts():
            return seen.count(fact.school_id)

        await eventually(attempts, lambda n: n == tries)

        async def dead():
            return service.metrics.handled.labels("notifier.school.changed", "dead")._value.get()

        await eventually(dead, lambda n: n == 1)

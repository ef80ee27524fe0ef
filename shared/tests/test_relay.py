"""What the relay does with a fact that it cannot seal."""

import uuid

from shared.events import PersonChanged, SchoolChanged
from shared.testing import eventually


async def test_a_fact_whose_subject_has_no_key_stays_and_keeps_nobody_from_travelling(spine):
    # given
    seen = []

    async def remember(event, tx):
        seen.append(event.school_id)

    async with spine.running(lambda s: s.on(SchoolChanged, remember)) as service:
        stranger, fact = uuid.uuid4(), spine.school()
        # when: this service makes no keys, and nobody has made one for this person
        await spine.emit(service, PersonChanged(person_id=stranger, version=1, given_name="Canary"), fact)

        # then
        async def handled():
            return seen

        await eventually(handled, lambda ids: fact.school_id in ids)
        query = "SELECT count(*) FROM outbox WHERE sealed_for = %s AND failures > 0"
        await eventually(lambda: spine.count(service, query, stranger), lambda n: n == 1)
        assert service.metrics.publish_failed.labels("keyless")._value.get() > 0
        async with service.database.worker() as connection:
            await connection.execute("DELETE FROM outbox WHERE sealed_for = %s", (stranger,))

"""What the scheduler says about a person for an export."""

from uuid import uuid4

import pytest

from scheduler.personal_data import PERSONAL_DATA

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def exported(scheduler, person, school):
    async with scheduler.service.transactions.request(school) as tx:
        return (await PERSONAL_DATA.read(tx, person, school)).parts["schedules"]


async def test_schedules_that_a_person_asked_for_or_is_named_in_are_exported(scheduler):
    school, ada, office = await scheduler.school(), uuid4(), uuid4()
    audience = {"audience": {"people": [str(ada)]}}
    event = await scheduler.add_repeating(school=school, message=audience, requested_by=office)
    await scheduler.add_repeating(school=school)

    (about,), (requested,) = await exported(scheduler, ada, school), await exported(scheduler, office, school)

    assert (about["schedule_id"], about["title"], about["requested"]) == (event.schedule_id, "Hello", False)
    assert requested["requested"] is True
    assert await exported(scheduler, ada, await scheduler.school()) == []

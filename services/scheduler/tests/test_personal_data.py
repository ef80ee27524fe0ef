"""What the scheduler says about a person for an export."""

import datetime as dt
from uuid import uuid4

import pytest

from shared.http.tokens import Claims, sign

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def exported(scheduler, person, school):
    claims = Claims(role="school_admin", school=school, use="internal")
    headers = {"Authorization": f"Bearer {sign(scheduler.key, claims, dt.timedelta(minutes=1))}"}
    answer = await scheduler.client.get(f"/personal-data/{person}", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["parts"]["schedules"]


async def test_schedules_that_a_person_asked_for_or_is_named_in_are_exported(scheduler):
    school, ada, office = await scheduler.school(), uuid4(), uuid4()
    audience = {"audience": {"people": [str(ada)]}}
    event = await scheduler.add_repeating(school=school, message=audience, requested_by=office)
    await scheduler.add_repeating(school=school)

    (about,), (requested,) = await exported(scheduler, ada, school), await exported(scheduler, office, school)

    assert (about["schedule_id"], about["title"], about["requested"]) == (str(event.schedule_id), "Hello", False)
    assert requested["requested"] is True
    assert await exported(scheduler, ada, await scheduler.school()) == []


async def test_what_is_stored_is_for_the_gateway_only(scheduler):
    answer = await scheduler.client.get(f"/personal-data/{uuid4()}")
    assert answer.status_code == 401

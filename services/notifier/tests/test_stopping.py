"""Stop means stop: at any moment, whoever is faster."""

import asyncio
import datetime as dt

import pytest
from uuid_utils.compat import uuid7

from notifier import handlers
from notifier.permits import SendPermit
from notifier.planning import cancel
from notifier.providers import Outcome
from shared.events import TaskCancelRequested

MAILS = tuple(f"p{n}@example.org" for n in range(6))


async def someone(house, *mails):
    school = await house.add_school()
    for mail in mails:
        await house.add_person(school, mails=(mail,))
    return school


def requested(event, kind="notification.send"):
    now = dt.datetime.now(dt.UTC)
    return TaskCancelRequested(task_id=event.task_id, school_id=event.school_id, kind=kind, requested_at=now)


async def stop(house, event):
    async with house.service.transactions.begin() as tx:
        await handlers.stop(event, tx)


async def test_what_has_not_been_sent_is_cancelled_and_the_task_says_so(house):
    school = await someone(house, *MAILS)
    notification = await house.ask(school, channels=("mail", "inbox"))
    answer = await house.http(school, "POST", f"/v1/notifications/{notification}/cancel")
    assert (answer.status_code, answer.json()["cancelled"]) == (200, len(MAILS))
    await house.work()
    assert house.mail.sent == []
    assert (await house.states(notification))["mail"] == {"cancelled": len(MAILS)}
    assert (await house.task(notification))["state"] == "cancelled"
    # and a second time it is as it was
    assert (await house.http(school, "POST", f"/v1/notifications/{notification}/cancel")).status_code == 200


async def test_it_is_too_late_for_what_has_ended(house):
    school = await someone(house, *MAILS)
    notification = await house.ask(school, channels=("mail",))
    await house.work()
    answer = await house.http(school, "POST", f"/v1/notifications/{notification}/cancel")
    assert answer.status_code == 409
    assert answer.json()["detail"]["code"] == "too_late"
    assert answer.json()["detail"]["state"] == "completed"


async def test_a_cancel_that_overtakes_its_intent_meets_it(house):
    school = await someone(house, *MAILS)
    event = house.request(school, channels=("mail",))
    answer = await house.http(school, "POST", f"/v1/notifications/{event.notification_id}/cancel")
    assert answer.status_code == 200
    await house.receive(event)
    await house.work()
    assert house.mail.sent == []
    assert (await house.task(event.notification_id))["state"] == "cancelled"
    listed = await house.http(school, "GET", "/v1/notifications")
    assert [each["state"] for each in listed.json()["items"]] == ["cancelled"]
    for narrowed, found in (("state=cancelled&kind=general", 1), ("state=completed", 0), ("kind=safety", 0)):
        some = await house.http(school, "GET", f"/v1/notifications?{narrowed}")
        assert len(some.json()["items"]) == found, narrowed


async def test_another_schools_notification_does_not_exist(house):
    school, other = await someone(house, *MAILS), await house.add_school()
    notification = await house.ask(school, channels=("mail",))
    answer = await house.http(other, "POST", f"/v1/notifications/{notification}/cancel")
    assert answer.status_code == 404
    await house.work()
    assert (await house.states(notification))["mail"] == {"accepted": len(MAILS)}


@pytest.mark.parametrize("first", ["cancel", "intent"])
async def test_a_cancelled_task_stops_its_notification_in_whatever_order(house, first):
    school = await someone(house, *MAILS)
    event = house.request(school, channels=("mail",))
    steps = [stop(house, requested(event)), house.receive(event)]
    for step in steps if first == "cancel" else reversed(steps):
        await step
    await house.work()
    assert house.mail.sent == []
    assert (await house.task(event.notification_id))["state"] == "cancelled"


async def test_a_cancel_and_its_intent_at_the_same_moment(house):
    school = await someone(house, *MAILS)
    for _ in range(10):
        event = house.request(school, channels=("mail",))
        await asyncio.gather(stop(house, requested(event)), house.receive(event))
        await house.work()
        assert house.mail.sent == []
        assert (await house.task(event.notification_id))["state"] == "cancelled"


async def test_tasks_of_other_services_are_nobody_s_business_here(house):
    event = house.request(await someone(house))
    await stop(house, requested(event, kind="report.make"))
    assert await house.emitted("task.changed") == []


async def test_what_is_being_sent_ends_by_its_outcome_and_the_rest_is_cancelled(open_house):
    """The stop comes while the first call is under way; the claim holds all the others."""
    asked = []

    class Slow:
        async def send(self, message):
            asked.append(message)
            if len(asked) == 1:
                async with house.service.transactions.begin() as tx:
                    await cancel.cancel(tx, notification, school)
            await asyncio.sleep(0.05)
            return Outcome("accepted")

        async def close(self):
            pass

    house = await open_house(mail=Slow(), mail_connections=1)
    school = await someone(house, *MAILS)
    notification = await house.ask(school, channels=("mail",))
    await house.work()
    assert len(asked) < len(MAILS)
    assert await house.states(notification) == {
        "mail": {"accepted": len(asked), "cancelled": len(MAILS) - len(asked)}
    }  # fmt: skip
    (completed,) = await house.emitted("notification.completed")
    assert completed["counts"] == await house.states(notification)
    (attempts,) = await house.rows("SELECT count(*) AS n FROM attempt")
    assert attempts["n"] == len(asked)


async def test_an_unknown_permit_changes_nothing(house):
    permit = SendPermit(notification_id=uuid7(), channel="mail")
    async with house.service.transactions.begin() as tx:
        tx.permit(permit, "mail.bulk")
    await house.work()
    assert house.mail.sent == []

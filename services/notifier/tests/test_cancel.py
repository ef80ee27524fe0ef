"""Cancelling a notification at any moment, before or after its intent arrives."""

import asyncio
import datetime as dt

import pytest
from uuid_utils.compat import uuid7

from notifier import handlers
from notifier.permits import SendPermit
from notifier.planning.cancellation import cancel_notification
from notifier.providers import Outcome
from shared.events import TaskCancelRequested

MAILS = tuple(f"p{n}@example.org" for n in range(6))


async def someone(harness, *mails):
    school = await harness.add_school()
    for mail in mails:
        await harness.add_person(school, mails=(mail,))
    return school


def requested(event, kind="notification.send"):
    now = dt.datetime.now(dt.UTC)
    return TaskCancelRequested(task_id=event.task_id, school_id=event.school_id, kind=kind, requested_at=now)


async def stop(harness, event):
    async with harness.service.transactions.begin() as tx:
        await handlers.cancel(event, tx)


async def test_a_cancel_ends_open_deliveries_and_the_task(harness):
    school = await someone(harness, *MAILS)
    notification = await harness.plan(school, channels=("mail", "inbox"))
    answer = await harness.http(school, "POST", f"/v1/notifications/{notification}/cancel")
    assert (answer.status_code, answer.json()["cancelled"]) == (200, len(MAILS))
    await harness.run_permits()
    assert harness.mail.sent == []
    assert (await harness.states(notification))["mail"] == {"cancelled": len(MAILS)}
    assert (await harness.task(notification))["state"] == "cancelled"
    # and a second time it is as it was
    assert (await harness.http(school, "POST", f"/v1/notifications/{notification}/cancel")).status_code == 200


async def test_a_cancel_is_too_late_for_a_completed_notification(harness):
    school = await someone(harness, *MAILS)
    notification = await harness.plan(school, channels=("mail",))
    await harness.run_permits()
    answer = await harness.http(school, "POST", f"/v1/notifications/{notification}/cancel")
    assert answer.status_code == 409
    assert answer.json()["detail"]["code"] == "too_late"
    assert answer.json()["detail"]["state"] == "completed"


async def test_a_cancel_before_the_intent_prevents_the_send(harness):
    school = await someone(harness, *MAILS)
    event = harness.intent(school, channels=("mail",))
    answer = await harness.http(school, "POST", f"/v1/notifications/{event.notification_id}/cancel")
    assert answer.status_code == 200
    await harness.receive(event)
    await harness.run_permits()
    assert harness.mail.sent == []
    assert (await harness.task(event.notification_id))["state"] == "cancelled"
    listed = await harness.http(school, "GET", "/v1/notifications")
    assert [each["state"] for each in listed.json()["items"]] == ["cancelled"]
    for narrowed, found in (("state=cancelled&kind=general", 1), ("state=completed", 0), ("kind=safety", 0)):
        some = await harness.http(school, "GET", f"/v1/notifications?{narrowed}")
        assert len(some.json()["items"]) == found, narrowed


async def test_a_notification_of_another_school_cannot_be_cancelled(harness):
    school, other = await someone(harness, *MAILS), await harness.add_school()
    notification = await harness.plan(school, channels=("mail",))
    answer = await harness.http(other, "POST", f"/v1/notifications/{notification}/cancel")
    assert answer.status_code == 404
    await harness.run_permits()
    assert (await harness.states(notification))["mail"] == {"accepted": len(MAILS)}


@pytest.mark.parametrize("first", ["cancel", "intent"])
async def test_a_task_cancel_stops_the_notification_in_any_order(harness, first):
    school = await someone(harness, *MAILS)
    event = harness.intent(school, channels=("mail",))
    steps = [stop(harness, requested(event)), harness.receive(event)]
    for step in steps if first == "cancel" else reversed(steps):
        await step
    await harness.run_permits()
    assert harness.mail.sent == []
    assert (await harness.task(event.notification_id))["state"] == "cancelled"


async def test_a_concurrent_cancel_and_intent_end_cancelled(harness):
    school = await someone(harness, *MAILS)
    for _ in range(10):
        event = harness.intent(school, channels=("mail",))
        await asyncio.gather(stop(harness, requested(event)), harness.receive(event))
        await harness.run_permits()
        assert harness.mail.sent == []
        assert (await harness.task(event.notification_id))["state"] == "cancelled"


async def test_cancels_of_other_services_tasks_are_ignored(harness):
    event = harness.intent(await someone(harness))
    await stop(harness, requested(event, kind="report.make"))
    assert await harness.emitted("task.changed") == []


async def test_deliveries_under_way_end_by_their_outcome_and_the_rest_is_cancelled(open_harness):
    """The stop comes while the first call is under way; the claim holds all the others."""
    asked = []

    class Slow:
        async def send(self, message):
            asked.append(message)
            if len(asked) == 1:
                async with harness.service.transactions.begin() as tx:
                    await cancel_notification(tx, notification, school)
            await asyncio.sleep(0.05)
            return Outcome("accepted")

        async def close(self):
            pass

    harness = await open_harness(mail=Slow(), mail_connections=1)
    school = await someone(harness, *MAILS)
    notification = await harness.plan(school, channels=("mail",))
    await harness.run_permits()
    assert len(asked) < len(MAILS)
    assert await harness.states(notification) == {
        "mail": {"accepted": len(asked), "cancelled": len(MAILS) - len(asked)}
    }  # fmt: skip
    (completed,) = await harness.emitted("notification.completed")
    assert completed["counts"] == await harness.states(notification)
    (attempts,) = await harness.rows("SELECT count(*) AS n FROM attempt")
    assert attempts["n"] == len(asked)


async def test_a_cancel_that_stops_nothing_is_too_late_and_the_notification_is_completed(open_harness):
    """The stop comes while the only call is under way: it reaches all."""
    answers = []

    class Slow:
        async def send(self, message):
            stopping = asyncio.create_task(harness.http(school, "POST", f"/v1/notifications/{notification}/cancel"))
            answers.append(stopping)
            while (await harness.rows("SELECT state FROM notification"))[0]["state"] != "cancelled":
                await asyncio.sleep(0.01)
            return Outcome("accepted")

        async def close(self):
            pass

    harness = await open_harness(mail=Slow())
    school = await someone(harness, MAILS[0])
    notification = await harness.plan(school, channels=("mail",))
    # when
    await harness.run_permits()
    # then
    answer = await answers[0]
    assert (answer.status_code, answer.json()["detail"]["code"]) == (409, "too_late")
    assert answer.json()["detail"]["state"] == "completed"
    assert (await harness.task(notification))["state"] == "succeeded"


async def test_an_unknown_permit_changes_nothing(harness):
    permit = SendPermit(notification_id=uuid7(), channel="mail")
    async with harness.service.transactions.begin() as tx:
        tx.permit(permit, "mail.bulk")
    await harness.run_permits()
    assert harness.mail.sent == []

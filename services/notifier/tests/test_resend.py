"""Once more, to those whom it failed to reach, at the addresses they have now."""

import pytest
from uuid_utils.compat import uuid7

from notifier.providers import Outcome
from shared.events.directory import Preference


def refusing(*addresses, kind="permanent"):
    return lambda mail: Outcome(kind, "smtp_554") if mail.recipient in addresses else Outcome("accepted")


async def half_failed(open_harness, **changes):
    harness = await open_harness(mail=refusing("old@example.org"))
    school = await harness.add_school()
    ada = await harness.add_person(school, mails=("old@example.org",))
    await harness.add_person(school, mails=("bob@example.org",))
    notification = await harness.plan(school, channels=("mail", "inbox"), **changes)
    await harness.run_permits()
    return harness, school, ada, notification


async def resend(harness, school, notification, task=None, **body):
    path = f"/v1/notifications/{notification}/resend"
    return await harness.http(school, "POST", path, json={"task_id": str(task or uuid7()), **body})


async def test_a_resend_reaches_only_failed_people_at_their_new_address(open_harness):
    harness, school, ada, notification = await half_failed(open_harness)
    shown = (await harness.http(school, "GET", f"/v1/notifications/{notification}")).json()
    (failure,) = shown["reasons"]
    assert (failure["channel"], failure["state"], failure["count"]) == ("mail", "failed", 1)
    await harness.add_person(school, person_id=ada, mails=("new@example.org",))
    harness.mail.sent.clear()
    task = uuid7()
    answer = await resend(harness, school, notification, task)
    assert answer.status_code == 202
    assert answer.json() == {
        "notification_id": str(notification), "task_id": str(task), "round": 2, "planned": 1, "repeated": False,
    }  # fmt: skip
    await harness.run_permits()
    assert [mail.recipient for mail in harness.mail.sent] == ["new@example.org"]
    ended = await harness.task(notification)
    assert (ended["task_id"], ended["state"], ended["done"], ended["total"]) == (str(task), "succeeded", 1, 1)
    assert ended["result"]["counts"] == {"mail": {"accepted": 2, "failed": 1}, "inbox": {"accepted": 2}}


async def test_a_state_is_counted_over_all_of_its_reasons(open_harness):
    harness = await open_harness(mail=refusing("old@example.org"))
    school = await harness.add_school()
    await harness.add_person(school, mails=("old@example.org",))
    await harness.add_person(school)
    await harness.add_person(school)
    unwanted = Preference(kind="general", channel="mail", wanted=False)
    await harness.add_person(school, mails=("cem@example.org",), preferences=(unwanted,))
    notification = await harness.plan(school, channels=("mail", "inbox"))
    await harness.run_permits()
    shown = (await harness.http(school, "GET", f"/v1/notifications/{notification}")).json()
    assert shown["counts"] == {"mail": {"suppressed": 3, "failed": 1}, "inbox": {"accepted": 4}}
    assert [(each["state"], each["reason"], each["count"]) for each in shown["reasons"]] == [
        ("suppressed", "no_address", 2), ("suppressed", "opted_out", 1), ("failed", "smtp_554", 1),
    ]  # fmt: skip


async def test_a_resend_with_the_same_task_sends_nothing_more(open_harness):
    harness, school, _, notification = await half_failed(open_harness)
    task = uuid7()
    answers = [await resend(harness, school, notification, task) for _ in range(2)]
    await harness.run_permits()
    answers.append(await resend(harness, school, notification, task))
    assert [answer.status_code for answer in answers] == [202] * 3
    assert [answer.json()["repeated"] for answer in answers] == [False, True, True]
    assert (await harness.rows("SELECT max(round) AS round FROM delivery"))[0]["round"] == 2


async def test_a_resend_is_refused_while_sending_or_where_no_delivery_failed(open_harness):
    harness, school, ada, notification = await half_failed(open_harness)
    await harness.add_person(school, person_id=ada, mails=("new@example.org",))
    assert (await resend(harness, school, notification)).status_code == 202
    answer = await resend(harness, school, notification)
    assert (answer.status_code, answer.json()["detail"]["code"]) == (409, "conflict")
    await harness.run_permits()
    answer = await resend(harness, school, notification)
    assert (answer.status_code, answer.json()["detail"]["state"]) == (409, "completed")


async def test_an_expired_notification_is_not_resent(open_harness):
    harness, school, _, notification = await half_failed(open_harness)
    await harness.execute("UPDATE notification SET expires_at = clock_timestamp()")
    answer = await resend(harness, school, notification)
    assert (answer.status_code, answer.json()["detail"]["code"]) == (409, "too_late")


async def test_a_resend_of_an_unknown_or_foreign_notification_is_not_found(open_harness):
    harness, _, _, notification = await half_failed(open_harness)
    other = await harness.add_school()
    assert (await resend(harness, other, notification)).status_code == 404
    assert (await resend(harness, other, uuid7())).status_code == 404


@pytest.mark.parametrize(("unknown", "status"), [(False, 409), (True, 202)])
async def test_unknown_deliveries_are_resent_only_on_request(open_harness, unknown, status):
    harness = await open_harness(mail=lambda _: Outcome("unknown", "timeout"))
    school = await harness.add_school()
    await harness.add_person(school, mails=("ada@example.org",))
    notification = await harness.plan(school, channels=("mail",))
    await harness.run_to_end()
    assert await harness.states(notification) == {"mail": {"unknown": 1}}
    assert (await resend(harness, school, notification, unknown=unknown)).status_code == status

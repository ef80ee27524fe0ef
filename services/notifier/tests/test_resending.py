"""Once more, to those whom it failed to reach, at the addresses they have now."""

import pytest
from uuid_utils.compat import uuid7

from notifier.providers import Outcome


def refusing(*addresses, kind="permanent"):
    return lambda mail: Outcome(kind, "smtp_554") if mail.recipient in addresses else Outcome("accepted")


async def half_failed(open_house, **changes):
    house = await open_house(mail=refusing("old@example.org"))
    school = await house.add_school()
    ada = await house.add_person(school, mails=("old@example.org",))
    await house.add_person(school, mails=("bob@example.org",))
    notification = await house.ask(school, channels=("mail", "inbox"), **changes)
    await house.work()
    return house, school, ada, notification


async def resend(house, school, notification, task=None, **body):
    path = f"/v1/notifications/{notification}/resend"
    return await house.http(school, "POST", path, json={"task_id": str(task or uuid7()), **body})


async def test_only_the_failed_are_told_again_at_their_new_address(open_house):
    house, school, ada, notification = await half_failed(open_house)
    await house.add_person(school, person_id=ada, mails=("new@example.org",))
    house.mail.sent.clear()
    task = uuid7()
    answer = await resend(house, school, notification, task)
    assert answer.status_code == 202
    assert answer.json() == {
        "notification_id": str(notification), "task_id": str(task), "round": 2, "planned": 1, "repeated": False,
    }  # fmt: skip
    await house.work()
    assert [mail.recipient for mail in house.mail.sent] == ["new@example.org"]
    ended = await house.task(notification)
    assert (ended["task_id"], ended["state"], ended["done"], ended["total"]) == (str(task), "succeeded", 1, 1)
    assert ended["result"]["counts"] == {"mail": {"accepted": 2, "failed": 1}, "inbox": {"accepted": 2}}


async def test_the_same_task_asked_for_again_sends_nothing_more(open_house):
    house, school, _, notification = await half_failed(open_house)
    task = uuid7()
    answers = [await resend(house, school, notification, task) for _ in range(2)]
    await house.work()
    answers.append(await resend(house, school, notification, task))
    assert [answer.status_code for answer in answers] == [202] * 3
    assert [answer.json()["repeated"] for answer in answers] == [False, True, True]
    assert (await house.rows("SELECT max(round) AS round FROM delivery"))[0]["round"] == 2


async def test_nobody_failed_or_still_on_its_way_is_refused(open_house):
    house, school, ada, notification = await half_failed(open_house)
    await house.add_person(school, person_id=ada, mails=("new@example.org",))
    assert (await resend(house, school, notification)).status_code == 202
    answer = await resend(house, school, notification)
    assert (answer.status_code, answer.json()["detail"]["code"]) == (409, "conflict")
    await house.work()
    answer = await resend(house, school, notification)
    assert (answer.status_code, answer.json()["detail"]["state"]) == (409, "completed")


async def test_what_has_expired_is_not_sent_again(open_house):
    house, school, _, notification = await half_failed(open_house)
    await house.execute("UPDATE notification SET expires_at = clock_timestamp()")
    answer = await resend(house, school, notification)
    assert (answer.status_code, answer.json()["detail"]["code"]) == (409, "too_late")


async def test_an_unknown_or_foreign_notification_is_not_found(open_house):
    house, _, _, notification = await half_failed(open_house)
    other = await house.add_school()
    assert (await resend(house, other, notification)).status_code == 404
    assert (await resend(house, other, uuid7())).status_code == 404


@pytest.mark.parametrize(("unknown", "status"), [(False, 409), (True, 202)])
async def test_what_never_answered_is_sent_again_only_when_asked_for(open_house, unknown, status):
    house = await open_house(mail=lambda _: Outcome("unknown", "timeout"))
    school = await house.add_school()
    await house.add_person(school, mails=("ada@example.org",))
    notification = await house.ask(school, channels=("mail",))
    await house.work_through()
    assert await house.states(notification) == {"mail": {"unknown": 1}}
    assert (await resend(house, school, notification, unknown=unknown)).status_code == status

"""What is wrong in the seed, and what happens here instead: the notifier's share, by number."""

import asyncio
import datetime as dt
from email import message_from_bytes, policy

import psycopg
import pytest
from uuid_utils.compat import uuid7

from notifier import handlers
from notifier.permits import SendPermit
from notifier.providers import Outcome
from notifier.providers.fcm import PAYLOAD_BYTES, payload_bytes
from notifier.sending.provider_limiter import FLUSH_RESULTS
from notifier.sending.send_worker import perform
from shared.events import Envelope, SchoolChanged

KILL = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'notifier_worker' AND pid <> pg_backend_pid()
"""


async def class_of(house, size):
    """A school with `size` guardians, each with a mail address and a device."""
    school = await house.add_school()
    for n in range(size):
        await house.add_person(school, mails=(f"p{n}@example.org",), tokens=(f"t{n}",))
    return school


def recipients(house):
    return sorted(mail.recipient for mail in house.mail.sent)


async def permit(house, notification, channel="mail"):
    return SendPermit(notification_id=notification, channel=channel), Envelope.of_work("x", "x", "test")


async def perform_one(house, notification, channel="mail"):
    work, cause = await permit(house, notification, channel)
    await perform(work, cause, house.service.transactions, house.providers.lines, house.settings.claim)


async def test_seed_05_outage_of_both_providers_loses_nothing(open_house):
    down = True

    def answer(_):
        return Outcome("transient", "away") if down else Outcome("accepted")

    house = await open_house(push=answer, mail=answer)
    school = await class_of(house, 3)
    notification = await house.ask(school)
    # when both are away for much longer than a few attempts
    await house.work_through(turns=30)
    # then nothing claims to have been sent, and the task is not done
    assert (await house.states(notification))["mail"] == (await house.states(notification))["push"] == {"pending": 3}
    assert await house.emitted("notification.completed") == []
    (row,) = await house.rows("SELECT DISTINCT reason FROM delivery WHERE state = 'pending'")
    assert row["reason"] == "away"
    # when they are back
    down = False
    for line in house.providers.lines.values():
        line.breaker.until = 0.0
    await house.work_through()
    assert await house.states(notification) == {
        "push": {"accepted": 3}, "mail": {"accepted": 3}, "inbox": {"accepted": 3},
    }  # fmt: skip


async def test_seed_06_a_failed_channel_is_retried_by_itself_with_backoff_and_an_end(open_house):
    house = await open_house(mail=lambda _: Outcome("transient", "later"))
    school = await class_of(house, 1)
    notification = await house.ask(school, channels=("push", "mail"))
    await house.work()
    # then the mail waits although the push went out, and not for the same time as before
    waits = []
    for _ in range(3):
        query = "SELECT extract(epoch FROM due_at - clock_timestamp()) AS due FROM delivery WHERE state = 'pending'"
        waits.append(float((await house.rows(query))[0]["due"]))
        await house.execute("UPDATE delivery SET due_at = clock_timestamp() WHERE state = 'pending'")
        await house.work()
    assert 1 < waits[0] < waits[2]
    assert len(house.push.sent) == 1
    assert len(house.mail.sent) == 4
    # and it has an end: the expiry
    await house.execute("UPDATE notification SET expires_at = clock_timestamp()")
    await house.work()
    assert await house.states(notification) == {"push": {"accepted": 1}, "mail": {"expired": 1}}


async def test_seed_07_nothing_is_planned_before_its_people_are_known(house):
    school = await class_of(house, 2)
    event = house.request(school, channels=("mail",), directory_version=7)
    await house.receive(event)
    await house.work()
    # then it waits, and is not sent to nobody
    assert await house.states(event.notification_id) == {}
    assert await house.emitted("notification.completed") == []
    # when the directory has come that far
    changed = SchoolChanged(school_id=school, name="Demo", timezone="UTC", version=99, positions={school: 7})
    async with house.service.transactions.begin() as tx:
        seen = "INSERT INTO directory_seen VALUES (%s, int8multirange(int8range(1, 8)))"
        await tx.execute(seen, (school,))
        await handlers.remember_directory([changed], tx)
    await house.work()
    assert await house.states(event.notification_id) == {"mail": {"accepted": 2}}


async def test_seed_08_sent_to_nobody_is_not_called_sent(house):
    school = await house.add_school()
    notification = await house.ask(school)
    assert await house.states(notification) == {}
    (completed,) = await house.emitted("notification.completed")
    assert completed["counts"] == {}
    assert (await house.task(notification))["total"] == 0
    # and what is only planned is not called sent either
    await house.add_person(school, mails=("ada@example.org",))
    planned = await house.ask(school, channels=("mail",))
    assert await house.states(planned) == {"mail": {"pending": 1}}


async def test_seed_10_a_worker_that_is_gone_at_push_51_of_200_leaves_nobody_untold(open_house):
    """The same with a real kill -9: tests/journeys/test_notifications.py."""
    calls, workers = [], []

    def answer(push):
        calls.append(push)
        if len(calls) == 51:
            workers[0].cancel()
        return Outcome("accepted")

    house = await open_house(push=answer)
    school = await class_of(house, 200)
    notification = await house.ask(school, channels=("push",))
    workers.append(asyncio.create_task(perform_one(house, notification, "push")))
    with pytest.raises(asyncio.CancelledError):
        await workers[0]
    # when its lease has run out
    await house.execute("UPDATE delivery SET leased_until = clock_timestamp() WHERE state = 'sending'")
    await house.work()
    # then everybody is told, and what may have come twice replaces itself
    assert await house.states(notification) == {"push": {"accepted": 200}}
    assert {push.token for push in calls} == {f"t{n}" for n in range(200)}
    assert len({push.tag for push in calls}) == 1
    assert len(calls) <= 200 + house.settings.push_concurrency + FLUSH_RESULTS


async def test_seed_11_a_title_with_a_newline_and_an_endless_body_go_out(house):
    school = await class_of(house, 1)
    notification = await house.ask(school, title="Trip\r\nBcc: all@example.org", body="Ä" * 10_000)
    await house.work()
    assert (await house.states(notification))["mail"] == {"accepted": 1}
    mail = message_from_bytes(house.mail.sent[0].content, policy=policy.default)
    assert mail["Subject"] == "Trip Bcc: all@example.org"
    assert mail["Bcc"] is None
    assert payload_bytes(house.push.sent[0]) <= PAYLOAD_BYTES


async def test_seed_12_data_reaches_the_first_push_and_the_retry(open_house):
    answers = iter(["unknown"])
    house = await open_house(push=lambda _: Outcome(next(answers, "accepted"), "why"))
    school = await class_of(house, 1)
    await house.ask(school, channels=("push",), data={"screen": "calendar", "day": "5"})
    await house.work_through()
    first, second = house.push.sent
    assert first == second
    assert (first.data["screen"], first.data["day"]) == ("calendar", "5")
    assert all(isinstance(value, str) for value in first.data.values())


async def test_seed_13_a_cut_database_connection_in_the_middle_tells_nobody_twice(open_house, notifier_backing):
    calls = []

    def answer(mail):
        calls.append(mail.recipient)
        if len(calls) in (4, 60):
            with psycopg.connect(notifier_backing.admin_url, autocommit=True) as admin:
                admin.execute(KILL)
        return Outcome("accepted")

    house = await open_house(mail=answer, mail_connections=4)
    school = await class_of(house, 100)
    notification = await house.ask(school, channels=("mail",))
    await house.work()
    assert sorted(calls) == sorted(f"p{n}@example.org" for n in range(100))
    assert await house.states(notification) == {"mail": {"accepted": 100}}


async def test_seed_14_a_redelivered_message_sends_nothing_again(house):
    school = await class_of(house, 5)
    event = house.request(school, channels=("mail",))
    await house.receive(event)
    for _ in range(3):
        await perform_one(house, event.notification_id)
    await house.receive(event)
    await house.work()
    assert recipients(house) == sorted(f"p{n}@example.org" for n in range(5))


async def test_seed_15_overlapping_workers_share_the_work(open_house):
    house = await open_house(claim=3)
    school = await class_of(house, 40)
    notification = await house.ask(school, channels=("mail",))
    await asyncio.gather(*(perform_one(house, notification) for _ in range(20)))
    assert len(house.mail.sent) == len(set(recipients(house))) == 40
    assert await house.states(notification) == {"mail": {"accepted": 40}}


async def test_seed_16_what_is_not_committed_has_not_begun(house):
    school = await class_of(house, 2)
    event = house.request(school, channels=("mail",))

    async def cut_short():
        async with house.service.transactions.begin() as tx:
            await handlers.plan(event, tx)
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await cut_short()
    # then neither rows nor permits: no orphan, and no send without a row
    await house.work()
    assert await house.rows("SELECT FROM notification") == []
    assert house.mail.sent == []
    await house.receive(event)
    await house.work()
    assert len(house.mail.sent) == 2


async def test_seed_19_school_closed_today_is_not_told_three_days_later(house):
    school = await class_of(house, 2)
    late = dt.datetime.now(dt.UTC) - dt.timedelta(days=3)
    notification = await house.ask(school, kind="safety", urgent=True, expires_at=late)
    await house.work()
    assert await house.states(notification) == {
        "push": {"expired": 2}, "mail": {"expired": 2}, "inbox": {"expired": 2},
    }  # fmt: skip
    assert house.push.sent == house.mail.sent == []


@pytest.mark.parametrize("channel", ["mail"])
async def test_seed_28_a_bulk_takes_no_more_statements_than_a_single_send(house, channel):
    """And a person is told on every device; `accepted` is what a provider took."""
    counts = []
    for size in (2, 60):
        school = await class_of(house, size)
        statements = []

        class Counting:
            def __init__(self, tx):
                self._tx = tx

            def __getattr__(self, name):
                found = getattr(self._tx, name)
                if name in ("execute", "rows", "row"):
                    statements.append(name)  # noqa: B023
                return found

        async with house.service.transactions.begin() as tx:
            await handlers.plan(house.request(school, channels=(channel,)), Counting(tx))
        counts.append(len(statements))
    assert counts[0] == counts[1] < 20
    school = await house.add_school()
    await house.add_person(school, tokens=("phone", "tablet"))
    await house.ask(school, channels=("push",))
    await house.work()
    assert {"phone", "tablet"} <= {push.token for push in house.push.sent}


async def test_an_id_is_told_once_however_often_it_comes_due(house):
    """A schedule's tick that is repeated carries the same notification."""
    school = await class_of(house, 1)
    identity = uuid7()
    for _ in range(2):
        await house.receive(house.request(school, channels=("mail",), notification_id=identity))
        await house.work()
    assert len(house.mail.sent) == 1

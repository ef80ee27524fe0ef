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
from notifier.providers.fcm import MAX_PAYLOAD_BYTES, payload_bytes
from notifier.sending.provider_limiter import MAX_RESULTS_PER_COMMIT
from notifier.sending.send_worker import send_deliveries
from shared.events import Envelope, SchoolChanged

KILL = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'notifier_worker' AND pid <> pg_backend_pid()
"""


async def class_of(harness, size):
    """A school with `size` guardians, each with a mail address and a device."""
    school = await harness.add_school()
    for n in range(size):
        await harness.add_person(school, mails=(f"p{n}@example.org",), tokens=(f"t{n}",))
    return school


def recipients(harness):
    return sorted(mail.recipient for mail in harness.mail.sent)


async def permit(harness, notification, channel="mail"):
    return SendPermit(notification_id=notification, channel=channel), Envelope.of_work("x", "x", "test")


async def perform_one(harness, notification, channel="mail"):
    work, cause = await permit(harness, notification, channel)
    await send_deliveries(work, cause, harness.service.transactions, harness.providers.limiters, harness.settings.claim)


async def test_seed_05_outage_of_both_providers_loses_nothing(open_harness):
    down = True

    def answer(_):
        return Outcome("transient", "away") if down else Outcome("accepted")

    harness = await open_harness(push=answer, mail=answer)
    school = await class_of(harness, 3)
    notification = await harness.plan(school)
    # when both are away for much longer than a few attempts
    await harness.run_to_end(turns=30)
    # then nothing claims to have been sent, and the task is not done
    assert (
        (await harness.states(notification))["mail"] == (await harness.states(notification))["push"] == {"pending": 3}
    )
    assert await harness.emitted("notification.completed") == []
    (row,) = await harness.rows("SELECT DISTINCT reason FROM delivery WHERE state = 'pending'")
    assert row["reason"] == "away"
    # when they are back
    down = False
    for line in harness.providers.limiters.values():
        line.breaker.open_until = 0.0
    await harness.run_to_end()
    assert await harness.states(notification) == {
        "push": {"accepted": 3}, "mail": {"accepted": 3}, "inbox": {"accepted": 3},
    }  # fmt: skip


async def test_seed_06_a_failed_channel_is_retried_by_itself_with_backoff_and_an_end(open_harness):
    harness = await open_harness(mail=lambda _: Outcome("transient", "later"))
    school = await class_of(harness, 1)
    notification = await harness.plan(school, channels=("push", "mail"))
    await harness.run_permits()
    # then the mail waits although the push went out, and not for the same time as before
    waits = []
    for _ in range(3):
        query = "SELECT extract(epoch FROM due_at - clock_timestamp()) AS due FROM delivery WHERE state = 'pending'"
        waits.append(float((await harness.rows(query))[0]["due"]))
        await harness.execute("UPDATE delivery SET due_at = clock_timestamp() WHERE state = 'pending'")
        await harness.run_permits()
    assert 1 < waits[0] < waits[2]
    assert len(harness.push.sent) == 1
    assert len(harness.mail.sent) == 4
    # and it has an end: the expiry
    await harness.execute("UPDATE notification SET expires_at = clock_timestamp()")
    await harness.run_permits()
    assert await harness.states(notification) == {"push": {"accepted": 1}, "mail": {"expired": 1}}


async def test_seed_07_nothing_is_planned_before_its_people_are_known(harness):
    school = await class_of(harness, 2)
    event = harness.intent(school, channels=("mail",), directory_version=7)
    await harness.receive(event)
    await harness.run_permits()
    # then it waits, and does not count as sent to no one
    assert await harness.states(event.notification_id) == {}
    assert await harness.emitted("notification.completed") == []
    # when the directory has come that far
    changed = SchoolChanged(school_id=school, name="Demo", timezone="UTC", version=99, positions={school: 7})
    async with harness.service.transactions.begin() as tx:
        seen = "INSERT INTO directory_seen VALUES (%s, int8multirange(int8range(1, 8)))"
        await tx.execute(seen, (school,))
        await handlers.remember_directory([changed], tx)
    await harness.run_permits()
    assert await harness.states(event.notification_id) == {"mail": {"accepted": 2}}


async def test_seed_08_a_send_without_recipients_is_not_called_sent(harness):
    school = await harness.add_school()
    notification = await harness.plan(school)
    assert await harness.states(notification) == {}
    (completed,) = await harness.emitted("notification.completed")
    assert completed["counts"] == {}
    assert (await harness.task(notification))["total"] == 0
    # and what is only planned is not called sent either
    await harness.add_person(school, mails=("ada@example.org",))
    planned = await harness.plan(school, channels=("mail",))
    assert await harness.states(planned) == {"mail": {"pending": 1}}


async def test_seed_10_every_person_is_notified_when_a_worker_dies_at_push_51_of_200(open_harness):
    """The same with a real kill -9: tests/journeys/test_notifications.py."""
    calls, workers = [], []

    def answer(push):
        calls.append(push)
        if len(calls) == 51:
            workers[0].cancel()
        return Outcome("accepted")

    harness = await open_harness(push=answer)
    school = await class_of(harness, 200)
    notification = await harness.plan(school, channels=("push",))
    workers.append(asyncio.create_task(perform_one(harness, notification, "push")))
    with pytest.raises(asyncio.CancelledError):
        await workers[0]
    # when its lease has run out
    await harness.execute("UPDATE delivery SET leased_until = clock_timestamp() WHERE state = 'sending'")
    await harness.run_permits()
    # then every person receives it, and a repeat replaces the first
    assert await harness.states(notification) == {"push": {"accepted": 200}}
    assert {push.token for push in calls} == {f"t{n}" for n in range(200)}
    assert len({push.tag for push in calls}) == 1
    assert len(calls) <= 200 + harness.settings.push_concurrency + MAX_RESULTS_PER_COMMIT


async def test_seed_11_a_title_with_a_newline_and_an_endless_body_go_out(harness):
    school = await class_of(harness, 1)
    notification = await harness.plan(school, title="Trip\r\nBcc: all@example.org", body="Ä" * 10_000)
    await harness.run_permits()
    assert (await harness.states(notification))["mail"] == {"accepted": 1}
    mail = message_from_bytes(harness.mail.sent[0].content, policy=policy.default)
    assert mail["Subject"] == "Trip Bcc: all@example.org"
    assert mail["Bcc"] is None
    assert payload_bytes(harness.push.sent[0]) <= MAX_PAYLOAD_BYTES


async def test_seed_12_data_reaches_the_first_push_and_the_retry(open_harness):
    answers = iter(["unknown"])
    harness = await open_harness(push=lambda _: Outcome(next(answers, "accepted"), "why"))
    school = await class_of(harness, 1)
    await harness.plan(school, channels=("push",), data={"screen": "calendar", "day": "5"})
    await harness.run_to_end()
    first, second = harness.push.sent
    assert first == second
    assert (first.data["screen"], first.data["day"]) == ("calendar", "5")
    assert all(isinstance(value, str) for value in first.data.values())


async def test_seed_13_a_cut_database_connection_in_the_middle_sends_nothing_twice(open_harness, notifier_backing):
    calls = []

    def answer(mail):
        calls.append(mail.recipient)
        if len(calls) in (4, 60):
            with psycopg.connect(notifier_backing.admin_url, autocommit=True) as admin:
                admin.execute(KILL)
        return Outcome("accepted")

    harness = await open_harness(mail=answer, mail_connections=4)
    school = await class_of(harness, 100)
    notification = await harness.plan(school, channels=("mail",))
    await harness.run_permits()
    assert sorted(calls) == sorted(f"p{n}@example.org" for n in range(100))
    assert await harness.states(notification) == {"mail": {"accepted": 100}}


async def test_seed_14_a_redelivered_message_sends_nothing_again(harness):
    school = await class_of(harness, 5)
    event = harness.intent(school, channels=("mail",))
    await harness.receive(event)
    for _ in range(3):
        await perform_one(harness, event.notification_id)
    await harness.receive(event)
    await harness.run_permits()
    assert recipients(harness) == sorted(f"p{n}@example.org" for n in range(5))


async def test_seed_15_overlapping_workers_share_the_work(open_harness):
    harness = await open_harness(claim=3)
    school = await class_of(harness, 40)
    notification = await harness.plan(school, channels=("mail",))
    await asyncio.gather(*(perform_one(harness, notification) for _ in range(20)))
    assert len(harness.mail.sent) == len(set(recipients(harness))) == 40
    assert await harness.states(notification) == {"mail": {"accepted": 40}}


async def test_seed_16_what_is_not_committed_has_not_begun(harness):
    school = await class_of(harness, 2)
    event = harness.intent(school, channels=("mail",))

    async def cut_short():
        async with harness.service.transactions.begin() as tx:
            await handlers.plan(event, tx)
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await cut_short()
    # then neither rows nor permits: no orphan, and no send without a row
    await harness.run_permits()
    assert await harness.rows("SELECT FROM notification") == []
    assert harness.mail.sent == []
    await harness.receive(event)
    await harness.run_permits()
    assert len(harness.mail.sent) == 2


async def test_seed_19_school_closed_today_is_not_sent_three_days_later(harness):
    school = await class_of(harness, 2)
    late = dt.datetime.now(dt.UTC) - dt.timedelta(days=3)
    notification = await harness.plan(school, kind="safety", urgent=True, expires_at=late)
    await harness.run_permits()
    assert await harness.states(notification) == {
        "push": {"expired": 2}, "mail": {"expired": 2}, "inbox": {"expired": 2},
    }  # fmt: skip
    assert harness.push.sent == harness.mail.sent == []


@pytest.mark.parametrize("channel", ["mail"])
async def test_seed_28_a_bulk_takes_no_more_statements_than_a_single_send(harness, channel):
    """And a person receives it on every device; `accepted` means that the provider accepted it."""
    counts = []
    for size in (2, 60):
        school = await class_of(harness, size)
        statements = []

        class Counting:
            def __init__(self, tx):
                self._tx = tx

            def __getattr__(self, name):
                found = getattr(self._tx, name)
                if name in ("execute", "rows", "row"):
                    statements.append(name)  # noqa: B023
                return found

        async with harness.service.transactions.begin() as tx:
            await handlers.plan(harness.intent(school, channels=(channel,)), Counting(tx))
        counts.append(len(statements))
    assert counts[0] == counts[1] < 20
    school = await harness.add_school()
    await harness.add_person(school, tokens=("phone", "tablet"))
    await harness.plan(school, channels=("push",))
    await harness.run_permits()
    assert {"phone", "tablet"} <= {push.token for push in harness.push.sent}


async def test_a_notification_id_is_sent_once_however_often_it_comes_due(harness):
    """A schedule's tick that is repeated carries the same notification."""
    school = await class_of(harness, 1)
    identity = uuid7()
    for _ in range(2):
        await harness.receive(harness.intent(school, channels=("mail",), notification_id=identity))
        await harness.run_permits()
    assert len(harness.mail.sent) == 1

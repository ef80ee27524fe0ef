"""Outcomes are kept until they are committed; a notification that has ended leaves no window."""

import asyncio
import json
from contextlib import asynccontextmanager

import psycopg
import pytest
from uuid_utils.compat import uuid7

from notifier.domain.delivery import Attempts
from notifier.permits import SendPermit
from notifier.providers import Outcome
from notifier.sending.batch import MANY_CALLS, Batch
from notifier.sending.outcomes import Call
from notifier.sending.send_worker import send_deliveries
from shared.events import Envelope

MAILS = tuple(f"p{n}@example.org" for n in range(3))


class Contended:
    """Transactions of which the first few come at a bad moment, as PostgreSQL says it."""

    def __init__(self, transactions, problem, times=2):
        self._transactions, self._problem, self.left = transactions, problem, times

    @asynccontextmanager
    async def begin(self, cause=None):
        async with self._transactions.begin(cause) as tx:
            yield tx
            if self.left:
                self.left -= 1
                raise self._problem("a bad moment")


class AllAtOnce:
    """A courier that answers once so many calls are in progress."""

    def __init__(self, calls):
        self._barrier = asyncio.Barrier(calls)

    async def send(self, message):
        await self._barrier.wait()
        return Outcome("accepted", provider_id="1")

    async def close(self):
        pass


class Begun:
    """Transactions that are counted."""

    def __init__(self, transactions):
        self._transactions, self.transactions = transactions, 0

    def begin(self, cause=None):
        self.transactions += 1
        return self._transactions.begin(cause)

    async def run_alone(self, query, values):
        return await self._transactions.run_alone(query, values)


@pytest.mark.parametrize(
    "problem", [psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled]
)
async def test_an_outcome_survives_a_failed_commit(harness, problem):
    """A lost outcome would be repeated: every person of the batch would receive it twice."""
    # given
    school = await harness.add_school()
    for mail in MAILS:
        await harness.add_person(school, mails=(mail,))
    notification = await harness.plan(school, channels=("mail",))
    lease = uuid7()
    rows = await harness.rows(
        "UPDATE delivery SET state = 'sending', lease = %s, leased_until = now() + interval '1 minute', attempts = 1"
        " WHERE notification_id = %s RETURNING *, NULL AS fid, NULL AS language",
        (lease, notification),
    )
    (about,) = await harness.rows(
        "SELECT n.*, 'en' AS school_language, NULL AS school_name, NULL AS content FROM notification n"
        " WHERE notification_id = %s",
        (notification,),
    )
    calls = [Call(about, row, (row["delivery_id"],), Attempts(1, 0), nth) for nth, row in enumerate(rows)]
    permit = SendPermit(notification_id=notification, channel="mail")
    contended = Contended(harness.service.transactions, problem)
    cause = Envelope.of_work("notifier.send", str(notification), "test")
    batch = Batch(harness.providers.limiters["mail"], contended, cause, lease, permit, "mail.bulk", calls, more=False)
    # when
    await batch.run()
    # then
    assert contended.left == 0
    assert sorted(mail.recipient for mail in harness.mail.sent) == sorted(MAILS)
    assert await harness.states(notification) == {"mail": {"accepted": len(MAILS)}}


async def test_outcomes_of_several_sends_are_committed_together_each_for_its_own_cause(open_harness):
    """A send to one person costs few round trips beside others; its events name its own cause."""
    # given sends to one person, each with its permit
    harness = await open_harness(mail=AllAtOnce(6))
    school = await harness.add_school()
    person = await harness.add_person(school, mails=(MAILS[0],))
    sent = [await harness.plan(school, [person], channels=("mail",)) for _ in range(6)]
    begun = Begun(harness.service.transactions)
    limiters, limit = harness.providers.limiters, harness.settings.claim
    causes = {each: Envelope.of_work("notifier.send", str(each), "test") for each in sent}
    # when
    permits = [SendPermit(notification_id=each, channel="mail") for each in sent]
    await asyncio.gather(
        *(send_deliveries(each, causes[each.notification_id], begun, limiters, limit) for each in permits)
    )
    # then
    assert begun.transactions < len(sent)
    for each in sent:
        assert await harness.states(each) == {"mail": {"accepted": 1}}
        assert (await harness.task(each))["state"] == "succeeded"
    rows = await harness.rows("SELECT headers, data FROM outbox WHERE headers LIKE '%notification.completed%'")
    caused = {json.loads(row["data"])["notification_id"]: Envelope.read(json.loads(row["headers"])) for row in rows}
    assert {each: envelope.causation_id for each, envelope in caused.items()} == {
        str(each): cause.id for each, cause in causes.items()
    }


async def test_a_batch_of_many_waits_for_no_other_commit(harness):
    """Its slots would wait, too: a bulk gets on more slowly, most of all beside another one."""
    # given a commit of the same provider that does not end
    held = asyncio.Event()
    school, people = await harness.add_school(), MANY_CALLS + 1
    for n in range(people):
        await harness.add_person(school, mails=(f"p{n}@example.org",))
    notification = await harness.plan(school, channels=("mail",))
    other = asyncio.create_task(harness.providers.limiters["mail"].commits.handle(None, lambda _: held.wait()))
    # when
    async with asyncio.timeout(20):
        await harness.run_permits()
    # then
    assert await harness.states(notification) == {"mail": {"accepted": people}}
    held.set()
    await other


async def test_a_notification_that_has_ended_leaves_no_window(open_harness):
    """Every second, every replica looks at all windows for one whose permit was lost."""
    # given
    harness = await open_harness(mail=lambda _: Outcome("permanent", "smtp_554"))
    school = await harness.add_school()
    await harness.add_person(school, mails=(MAILS[0],))
    windows = "SELECT count(*) AS n FROM release"
    # when
    ended, stopped = [await harness.plan(school, channels=("mail",)) for _ in range(2)]
    assert await harness.rows(windows) == [{"n": 2}]
    await harness.http(school, "POST", f"/v1/notifications/{stopped}/cancel")
    await harness.run_permits()
    # then
    assert await harness.rows(windows) == [{"n": 0}]
    # when: once more to whom it failed to reach
    harness.mail.answer = None
    await harness.http(school, "POST", f"/v1/notifications/{ended}/resend", json={"task_id": str(uuid7())})
    assert await harness.rows(windows) == [{"n": 1}]
    await harness.run_permits()
    # then
    assert (await harness.states(ended))["mail"] == {"failed": 1, "accepted": 1}
    assert await harness.rows(windows) == [{"n": 0}]

"""Urgent sends: each school has a rate of its own; permits are few while nothing is sent."""

import json

from uuid_utils.compat import uuid7

from notifier import handlers
from notifier.sending.urgent_rate import URGENT_SENDS

LANES = "SELECT n.notification_id, r.lane FROM release r JOIN notification n USING (notification_id)"
PERMITS = "SELECT headers FROM outbox WHERE exchange = '' AND routing_key LIKE 'notifier.work.mail%'"


async def lanes(harness):
    return {row["notification_id"]: row["lane"] for row in await harness.rows(LANES)}


async def test_trust_4_urgent_sends_beyond_a_schools_rate_go_with_all_others(harness):
    # given a school that sends many urgent messages
    school, other = await harness.add_school(), await harness.add_school()
    person = await harness.add_person(school, mails=("a@example.org",))
    parent = await harness.add_person(other, mails=("b@example.org",))
    mass = [await harness.plan(school, [person], channels=("mail",), urgent=True) for _ in range(URGENT_SENDS + 30)]
    # when the other one, and it itself, have an alarm
    alarm = await harness.plan(other, [parent], channels=("mail",), kind="safety")
    own = await harness.plan(school, [person], channels=("mail",), kind="safety")
    # then
    found = await lanes(harness)
    assert [found[each] for each in mass].count("mail.urgent") == URGENT_SENDS
    assert [found[each] for each in mass[:URGENT_SENDS]] == ["mail.urgent"] * URGENT_SENDS
    assert found[alarm] == found[own] == "mail.safety"


async def test_trust_4_a_mass_of_alarms_has_a_rate_too(harness):
    school = await harness.add_school()
    person = await harness.add_person(school, mails=("a@example.org",))
    mass = [await harness.plan(school, [person], channels=("mail",), kind="safety") for _ in range(URGENT_SENDS + 5)]
    found = await lanes(harness)
    assert [found[each] for each in mass].count("mail.bulk") == 5
    # and none of them is lost
    await harness.run_permits()
    assert len(harness.mail.sent) == URGENT_SENDS + 5


async def test_trust_4_a_permit_that_waits_for_a_minute_is_not_repeated(harness):
    """A stall of 60 s: no permit is handled, and the sweep runs every second."""
    school = await harness.add_school()
    person = await harness.add_person(school, mails=("a@example.org",))
    sent = await harness.plan(school, [person], channels=("mail",))
    for _ in range(60):
        await harness.execute("UPDATE release SET permitted_until = permitted_until - interval '1 second'")
        await handlers.tend(harness.service.transactions, 60.0)
    permits = await harness.rows(PERMITS)
    assert [json.loads(row["headers"])["ce-subject"] for row in permits] == [f"{sent}:mail"]
    # and one that is lost comes back
    await harness.execute("UPDATE release SET permitted_until = permitted_until - interval '1 minute'")
    await handlers.tend(harness.service.transactions, 60.0)
    assert len(await harness.rows(PERMITS)) == 2


async def test_trust_4_a_resend_is_counted_too(client):
    person = await client.add_person()
    sends = [await client.plan({"people": (person,)}, channels=("mail",), urgent=True) for _ in range(URGENT_SENDS)]
    assert set((await lanes(client.harness)).values()) == {"mail.urgent"}
    await client.harness.execute("UPDATE notification SET state = 'completed', outstanding = 0")
    await client.harness.execute("UPDATE delivery SET state = 'sending', lease = gen_random_uuid()")
    await client.harness.execute("UPDATE delivery SET state = 'failed', lease = NULL")
    body = {"task_id": str(uuid7())}
    answer = await client.call("POST", f"/v1/notifications/{sends[0]}/resend", json=body)
    assert answer.status_code < 300, answer.text
    assert (await lanes(client.harness))[sends[0]] == "mail.bulk"


async def test_trust_4_a_small_send_costs_one_permit_for_each_channel(harness):
    school = await harness.add_school()
    person = await harness.add_person(school, mails=("a@example.org",))
    await harness.plan(school, [person], channels=("mail",))
    assert len(await harness.rows(PERMITS)) == 1
    # when
    await harness.run_permits(rounds=2)  # the second one must find no permit
    # then
    assert len(harness.mail.sent) == 1

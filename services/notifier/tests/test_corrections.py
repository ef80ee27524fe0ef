"""Corrections of a record: pending deliveries are stopped, and only recipients are corrected, in any order."""

import asyncio

import pytest

from notifier import invariants
from notifier.providers import Outcome
from shared.testing.fixtures import eventually

ORIGIN = "absence:1"
BLOCKED = "SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


def recorded(client, people, version=1, **changes):
    return client.intent(
        {"people": tuple(people)} | changes.pop("audience", {}),
        **({"channels": ("mail",), "origin": ORIGIN, "origin_version": version} | changes),
    )


def correction(client, version=2, **changes):
    told = {"channels": ("mail",), "origin": ORIGIN, "origin_version": version, "correction": True}
    return client.intent({"told": ORIGIN}, **(told | changes))


def unreachable(client, *people):
    """The mail server puts these off, again and again."""
    addresses = {f"{person}@example.org" for person in people}
    client.harness.mail.answer = lambda mail: Outcome(
        "transient" if mail.recipient in addresses else "accepted", "busy"
    )


def mailed(client, person):
    return [each for each in client.harness.mail.sent if each.recipient == f"{person}@example.org"]


@pytest.fixture
async def pair(client):
    return await client.add_person(), await client.add_person()


async def test_a_correction_stops_pending_deliveries_and_reaches_only_recipients(client, pair):
    # given one recipient, and one whose mail server is busy
    told, waiting = pair
    unreachable(client, waiting)
    first = recorded(client, pair)
    await client.harness.receive(first)
    await client.harness.run_permits()
    assert await client.deliveries(first.notification_id) == {(told, "mail"): "accepted", (waiting, "mail"): "busy"}
    # when
    second = correction(client)
    await client.harness.receive(second)
    await client.harness.run_to_end()
    # then
    assert await client.deliveries(first.notification_id) == {
        (told, "mail"): "accepted",
        (waiting, "mail"): "corrected",
    }
    assert await client.deliveries(second.notification_id) == {(told, "mail"): "accepted"}
    assert [len(mailed(client, person)) for person in pair] == [2, 1]
    assert {await client.state(each.notification_id) for each in (first, second)} == {"completed"}


async def test_a_correction_stops_held_deliveries(client, pair):
    first = recorded(client, pair)
    await client.harness.receive(first)
    await client.harness.execute("UPDATE delivery SET state = 'held'")
    await client.harness.receive(correction(client))
    assert set((await client.deliveries(first.notification_id)).values()) == {"corrected"}
    assert await client.state(first.notification_id) == "completed"


async def test_a_correction_that_arrives_first_prevents_the_older_version(client, pair):
    first, second = recorded(client, pair), correction(client)
    await client.harness.receive(second)
    await client.harness.receive(first)
    await client.harness.run_permits()
    assert await client.state(first.notification_id) == "cancelled"
    assert await client.recipients(first.notification_id) == await client.recipients(second.notification_id) == set()
    ended = {task["task_id"]: task["state"] for task in await client.harness.emitted("task.changed")}
    assert ended[str(first.task_id)] == "cancelled"
    assert client.harness.mail.sent == []


async def test_a_correction_stops_a_version_that_waits_for_the_directory(client, pair):
    first = recorded(client, pair, directory_version=7)
    await client.harness.receive(first)
    assert await client.state(first.notification_id) == "waiting"
    await client.harness.receive(correction(client))
    await client.harness.execute("INSERT INTO directory_seen VALUES (%s, '{[1,10)}')", (client.school,))
    await client.harness.run_permits()
    assert await client.state(first.notification_id) == "cancelled"
    assert client.harness.mail.sent == []


async def test_a_correction_during_the_plan_of_the_older_version(client, pair):
    # given a plan that has not committed
    first, second = recorded(client, pair), correction(client)
    async with client.harness.service.transactions.begin() as tx:
        await client.harness.plan_in(tx, first)
        # when the correction comes, it waits for it
        coming = asyncio.create_task(client.harness.receive(second))
        await eventually(lambda: client.harness.rows(BLOCKED), lambda rows: rows[0]["n"] == 1)
    await coming
    await client.harness.run_permits()
    # then nothing of the first is left to send
    assert set((await client.deliveries(first.notification_id)).values()) == {"corrected"}
    assert client.harness.mail.sent == []


@pytest.mark.parametrize(
    ("answer", "corrected", "mails"),
    [
        (Outcome("accepted"), True, 2),
        (Outcome("transient", "busy"), False, 1),
        (Outcome("permanent", "no"), False, 1),
        (Outcome("unknown", "silence"), True, 2),
    ],
)
async def test_a_correction_waits_for_a_send_under_way(client, answer, corrected, mails):
    # given a call to the provider that has not returned
    person = await client.add_person()
    called, go_on = asyncio.Event(), asyncio.Event()
    send = client.harness.mail.send

    async def slowly(message):
        await send(message)
        called.set()
        await go_on.wait()
        return answer

    client.harness.mail.send = slowly
    first, second = recorded(client, (person,)), correction(client)
    await client.harness.receive(first)
    sending = asyncio.create_task(client.harness.run_permits())
    await asyncio.wait_for(called.wait(), 10)
    # when
    await client.harness.receive(second)
    # then it is not planned before the provider has answered
    assert await client.state(second.notification_id) == "waiting"
    client.harness.mail.send = send
    go_on.set()
    await sending
    await client.harness.run_to_end()
    assert await client.recipients(second.notification_id) == ({person} if corrected else set())
    assert len(mailed(client, person)) == mails
    assert {await client.state(each.notification_id) for each in (first, second)} == {"completed"}


@pytest.mark.parametrize("correction_first", [True, False])
async def test_a_changed_record_reaches_recipients_as_a_correction_and_others_as_new(client, pair, correction_first):
    # given one who received the old version and one who did not
    told, waiting = pair
    unreachable(client, waiting)
    await client.harness.receive(recorded(client, pair))
    await client.harness.run_permits()
    client.harness.mail.answer = None
    # when the new version is sent: as a correction, and as new
    changed, afresh = correction(client), recorded(client, pair, 2, audience={"except_told": ORIGIN})
    for event in (changed, afresh) if correction_first else (afresh, changed):
        await client.harness.receive(event)
        await client.harness.run_permits()
    # then
    assert await client.recipients(changed.notification_id) == {told}
    assert await client.recipients(afresh.notification_id) == {waiting}


async def test_unread_items_of_older_versions_are_withdrawn(client, pair):
    # given one who has read it in the app and one who has not
    reader, other = pair
    first = recorded(client, pair, channels=("inbox",))
    await client.harness.receive(first)
    await client.call("POST", f"/v1/inbox/{first.notification_id}/read", reader, "guardian")
    # when
    second = correction(client, channels=("inbox",))
    await client.harness.receive(second)
    # then
    assert await client.recipients(second.notification_id) == {reader}
    left = (await client.call("GET", "/v1/inbox", other, "guardian")).json()
    assert (left["items"], left["unread"]) == ([], 0)
    late = await client.call("POST", f"/v1/inbox/{first.notification_id}/read", other, "guardian")
    assert late.status_code == 404


async def test_a_repeat_of_a_correction_changes_nothing(client, pair):
    await client.harness.receive(recorded(client, pair))
    await client.harness.run_permits()
    second = correction(client)
    for _ in range(2):
        await client.harness.receive(second)
        await client.harness.run_permits()
    assert [len(mailed(client, person)) for person in pair] == [2, 2]


async def test_a_record_of_another_school_with_the_same_origin_is_separate(client, pair):
    first = recorded(client, pair)
    await client.harness.receive(first)
    client.school = await client.harness.add_school()
    await client.harness.receive(correction(client))
    assert set((await client.deliveries(first.notification_id)).values()) == {"pending"}


async def test_open_deliveries_of_a_corrected_record_are_counted(client, pair):
    count = invariants.INVARIANTS["corrected_delivery_open"]
    await client.harness.receive(recorded(client, pair))
    assert await client.harness.rows(count) == [{"violations": 0}]
    await client.harness.execute("UPDATE notification SET retracted_at = clock_timestamp() - interval '1 hour'")
    assert await client.harness.rows(count) == [{"violations": 2}]


async def test_a_corrected_notification_is_not_resent(client, pair):
    client.harness.mail.answer = lambda _: Outcome("permanent", "no")
    first = recorded(client, pair)
    await client.harness.receive(first)
    await client.harness.run_permits()
    await client.harness.receive(correction(client))
    path = f"/v1/notifications/{first.notification_id}/resend"
    answer = await client.call("POST", path, json={"task_id": str(client.school), "directory_version": 0})
    assert (answer.status_code, answer.json()["detail"]["code"]) == (409, "too_late")

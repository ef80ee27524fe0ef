"""A corrected record: what is pending is stopped, and only those who were told are corrected, whatever comes first."""

import asyncio

import pytest

from notifier import invariants
from notifier.providers import Outcome
from shared.testing.fixtures import eventually

ORIGIN = "absence:1"
BLOCKED = "SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


def recorded(desk, people, version=1, **changes):
    return desk.request(
        {"people": tuple(people)} | changes.pop("audience", {}),
        **({"channels": ("mail",), "origin": ORIGIN, "origin_version": version} | changes),
    )


def correction(desk, version=2, **changes):
    told = {"channels": ("mail",), "origin": ORIGIN, "origin_version": version, "correction": True}
    return desk.request({"told": ORIGIN}, **(told | changes))


def unreachable(desk, *people):
    """The mail server puts these off, again and again."""
    addresses = {f"{person}@example.org" for person in people}
    desk.house.mail._answer = lambda mail: Outcome("transient" if mail.recipient in addresses else "accepted", "busy")


def mailed(desk, person):
    return [each for each in desk.house.mail.sent if each.recipient == f"{person}@example.org"]


@pytest.fixture
async def pair(desk):
    return await desk.person(), await desk.person()


async def test_pending_sends_are_stopped_and_only_those_told_are_corrected(desk, pair):
    # given one who was told, one whose mail server is away, and one who holds still
    told, waiting = pair
    unreachable(desk, waiting)
    first = recorded(desk, pair)
    await desk.house.receive(first)
    await desk.house.work()
    assert await desk.told(first.notification_id) == {(told, "mail"): "accepted", (waiting, "mail"): "busy"}
    # when
    second = correction(desk)
    await desk.house.receive(second)
    await desk.house.work_through()
    # then
    assert await desk.told(first.notification_id) == {(told, "mail"): "accepted", (waiting, "mail"): "corrected"}
    assert await desk.told(second.notification_id) == {(told, "mail"): "accepted"}
    assert [len(mailed(desk, person)) for person in pair] == [2, 1]
    assert {await desk.state(each.notification_id) for each in (first, second)} == {"completed"}


async def test_held_sends_are_stopped_too(desk, pair):
    first = recorded(desk, pair)
    await desk.house.receive(first)
    await desk.house.execute("UPDATE delivery SET state = 'held'")
    await desk.house.receive(correction(desk))
    assert set((await desk.told(first.notification_id)).values()) == {"corrected"}
    assert await desk.state(first.notification_id) == "completed"


async def test_a_correction_that_overtakes_what_it_corrects(desk, pair):
    first, second = recorded(desk, pair), correction(desk)
    await desk.house.receive(second)
    await desk.house.receive(first)
    await desk.house.work()
    assert await desk.state(first.notification_id) == "cancelled"
    assert await desk.people(first.notification_id) == await desk.people(second.notification_id) == set()
    ended = {task["task_id"]: task["state"] for task in await desk.house.emitted("task.changed")}
    assert ended[str(first.task_id)] == "cancelled"
    assert desk.house.mail.sent == []


async def test_a_correction_while_the_first_waits_for_the_directory(desk, pair):
    first = recorded(desk, pair, directory_version=7)
    await desk.house.receive(first)
    assert await desk.state(first.notification_id) == "waiting"
    await desk.house.receive(correction(desk))
    await desk.house.execute("INSERT INTO directory_seen VALUES (%s, '{[1,10)}')", (desk.school,))
    await desk.house.work()
    assert await desk.state(first.notification_id) == "cancelled"
    assert desk.house.mail.sent == []


async def test_a_correction_while_the_first_is_being_planned(desk, pair):
    # given a plan that has not committed
    first, second = recorded(desk, pair), correction(desk)
    async with desk.house.service.transactions.begin() as tx:
        await desk.house.plan_in(tx, first)
        # when the correction comes, it waits for it
        coming = asyncio.create_task(desk.house.receive(second))
        await eventually(lambda: desk.house.rows(BLOCKED), lambda rows: rows[0]["n"] == 1)
    await coming
    await desk.house.work()
    # then nothing of the first is left to send
    assert set((await desk.told(first.notification_id)).values()) == {"corrected"}
    assert desk.house.mail.sent == []


@pytest.mark.parametrize(
    ("answer", "corrected", "mails"),
    [
        (Outcome("accepted"), True, 2),
        (Outcome("transient", "busy"), False, 1),
        (Outcome("permanent", "no"), False, 1),
        (Outcome("unknown", "silence"), True, 2),
    ],
)
async def test_a_correction_while_a_send_is_under_way_waits_for_its_end(desk, answer, corrected, mails):
    # given a call to the provider that has not returned
    person = await desk.person()
    called, go_on = asyncio.Event(), asyncio.Event()
    send = desk.house.mail.send

    async def slowly(message):
        await send(message)
        called.set()
        await go_on.wait()
        return answer

    desk.house.mail.send = slowly
    first, second = recorded(desk, (person,)), correction(desk)
    await desk.house.receive(first)
    sending = asyncio.create_task(desk.house.work())
    await asyncio.wait_for(called.wait(), 10)
    # when
    await desk.house.receive(second)
    # then it is not planned before the provider has answered
    assert await desk.state(second.notification_id) == "waiting"
    desk.house.mail.send = send
    go_on.set()
    await sending
    await desk.house.work_through()
    assert await desk.people(second.notification_id) == ({person} if corrected else set())
    assert len(mailed(desk, person)) == mails
    assert {await desk.state(each.notification_id) for each in (first, second)} == {"completed"}


@pytest.mark.parametrize("correction_first", [True, False])
async def test_of_a_changed_record_everybody_hears_once_more_as_they_need(desk, pair, correction_first):
    # given one who was told the old version and one who was not
    told, waiting = pair
    unreachable(desk, waiting)
    await desk.house.receive(recorded(desk, pair))
    await desk.house.work()
    desk.house.mail._answer = None
    # when the new version is told: as a correction, and afresh
    changed, afresh = correction(desk), recorded(desk, pair, 2, audience={"except_told": ORIGIN})
    for event in (changed, afresh) if correction_first else (afresh, changed):
        await desk.house.receive(event)
        await desk.house.work()
    # then
    assert await desk.people(changed.notification_id) == {told}
    assert await desk.people(afresh.notification_id) == {waiting}


async def test_what_nobody_has_read_leaves_the_inbox(desk, pair):
    # given one who has read it in the app and one who has not
    reader, other = pair
    first = recorded(desk, pair, channels=("inbox",))
    await desk.house.receive(first)
    await desk.ask("POST", f"/v1/inbox/{first.notification_id}/read", reader, "guardian")
    # when
    second = correction(desk, channels=("inbox",))
    await desk.house.receive(second)
    # then
    assert await desk.people(second.notification_id) == {reader}
    left = (await desk.ask("GET", "/v1/inbox", other, "guardian")).json()
    assert (left["items"], left["unread"]) == ([], 0)
    late = await desk.ask("POST", f"/v1/inbox/{first.notification_id}/read", other, "guardian")
    assert late.status_code == 404


async def test_a_repeat_of_a_correction_changes_nothing(desk, pair):
    await desk.house.receive(recorded(desk, pair))
    await desk.house.work()
    second = correction(desk)
    for _ in range(2):
        await desk.house.receive(second)
        await desk.house.work()
    assert [len(mailed(desk, person)) for person in pair] == [2, 2]


async def test_another_schools_record_of_the_same_name_is_another(desk, pair):
    first = recorded(desk, pair)
    await desk.house.receive(first)
    desk.school = await desk.house.add_school()
    await desk.house.receive(correction(desk))
    assert set((await desk.told(first.notification_id)).values()) == {"pending"}


async def test_what_was_corrected_and_is_open_still_is_counted(desk, pair):
    count = invariants.INVARIANTS["corrected_is_open"]
    await desk.house.receive(recorded(desk, pair))
    assert await desk.house.rows(count) == [{"violations": 0}]
    await desk.house.execute("UPDATE notification SET retracted_at = clock_timestamp() - interval '1 hour'")
    assert await desk.house.rows(count) == [{"violations": 2}]


async def test_what_was_corrected_is_not_sent_again(desk, pair):
    desk.house.mail._answer = lambda _: Outcome("permanent", "no")
    first = recorded(desk, pair)
    await desk.house.receive(first)
    await desk.house.work()
    await desk.house.receive(correction(desk))
    path = f"/v1/notifications/{first.notification_id}/resend"
    answer = await desk.ask("POST", path, json={"task_id": str(desk.school), "directory_version": 0})
    assert (answer.status_code, answer.json()["detail"]["code"]) == (409, "too_late")

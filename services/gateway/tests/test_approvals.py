"""Sends to more people than a school's limit wait for a second person, whichever way they come."""

import datetime as dt
from uuid import uuid4

import pytest
import pytest_asyncio

from gateway.notifications.held_sends import lapse

pytestmark = pytest.mark.asyncio(loop_scope="module")

PREVIEW = {"people": 30, "channels": {}, "unreachable": 0, "unreachable_people": []}
BODY = {"type": "general", "title": "Demo", "body": "Made up", "audience": {"school": True}}
SENT = "SELECT count(*) FROM intent WHERE school_id = %s"


@pytest_asyncio.fixture(loop_scope="module")
async def school(gateway):
    """A school in which one person reaches at most 20."""
    school = await gateway.add_school()
    answer = await gateway.ask("PATCH", f"/v1/schools/{school}", json={"approval_above": 20})
    assert answer.json()["approval_above"] == 20
    return school


async def send(gateway, school, person, headers=None, **changes):
    path = f"/v1/notifications?school={school}"
    return await gateway.ask("POST", path, "staff", school, person, headers, json=BODY | changes)


async def held(gateway, school, person, **changes):
    answer = await send(gateway, school, person, **changes)
    assert answer.json()["state"] == "waiting_for_approval"
    assert answer.headers["location"] == f"/v1/approvals/{answer.json()['approval_id']}"
    return answer.json()["approval_id"]


async def test_a_send_above_the_limit_is_sent_once_another_person_approves_it(gateway, owners, school):
    owners(notifier_POST=(200, PREVIEW))
    asker, other = uuid4(), uuid4()
    approval = await held(gateway, school, asker)
    path = f"/v1/approvals/{approval}"
    seen = (await gateway.ask("GET", path, "staff", school, asker)).json()
    assert (seen["people"], seen["above"], seen["send"]["title"]) == (30, 20, "Demo")
    assert await gateway.one(SENT, (school,)) == 0
    # neither its requester nor a teacher approves it
    for role, person in (("staff", asker), ("teacher", other)):
        assert (await gateway.ask("POST", f"{path}/approve", role, school, person)).status_code == 403
    made = (await gateway.ask("POST", f"{path}/approve", "staff", school, other)).json()
    assert (made["state"], made["decided_by"], made["send"]) == ("approved", str(other), None)
    # then it is the send of its requester, and there is only one
    task = await gateway.rows("SELECT t.created_by FROM intent JOIN task t USING (task_id) WHERE notification_id = %s",
                              (made["notification_id"],))  # fmt: skip
    assert task == [{"created_by": asker}]
    for decision in ("approve", "refuse"):
        again = await gateway.ask("POST", f"{path}/{decision}", "school_admin", school, uuid4())
        assert (again.status_code, again.json()["state"]) == (409, "approved")
    assert await gateway.one(SENT, (school,)) == 1


@pytest.mark.parametrize(
    ("answer", "changes"),
    [
        ((200, PREVIEW | {"people": 20}), {}),
        ((200, PREVIEW), {"type": "safety"}),
    ],
)
async def test_a_send_within_the_limit_and_one_about_safety_wait_for_no_person(
    gateway, owners, school, answer, changes
):
    owners(notifier_POST=answer)
    assert (await send(gateway, school, uuid4(), **changes)).json()["state"] == "accepted"
    assert await gateway.one(SENT, (school,)) == 1


async def test_a_send_that_cannot_be_counted_waits(gateway, owners, school):
    owners(notifier_POST=(503, {}))
    approval = await held(gateway, school, uuid4())
    assert (await gateway.ask("GET", f"/v1/approvals/{approval}", "staff", school)).json()["people"] is None


async def test_the_same_key_waits_once(gateway, owners, school):
    owners(notifier_POST=(200, PREVIEW))
    asker, headers = uuid4(), {"Idempotency-Key": "one"}
    first, second = [(await send(gateway, school, asker, headers)).json() for _ in range(2)]
    assert first == second
    assert len((await gateway.ask("GET", "/v1/approvals", "staff", school)).json()["items"]) == 1


async def test_a_time_that_has_passed_means_at_once_and_one_to_come_is_kept(gateway, owners, school, admin):
    owners(notifier_POST=(200, PREVIEW))
    soon = (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=30)).isoformat()
    passed, coming = [await held(gateway, school, uuid4(), deliver_at=soon) for _ in range(2)]
    earlier = "UPDATE gateway.held_send SET command = jsonb_set(command, '{rule,at}', %s) WHERE approval_id = %s"
    admin.execute(earlier, ('"2026-01-01T10:00:00Z"', passed))
    made = [
        (await gateway.ask("POST", f"/v1/approvals/{each}/approve", "staff", school, uuid4())).json()
        for each in (passed, coming)
    ]
    assert [each["schedule_id"] is None for each in made] == [True, False]
    assert all(each["notification_id"] for each in made)


async def test_its_requester_withdraws_it_and_others_refuse_it_with_a_reason(gateway, owners, school):
    owners(notifier_POST=(200, PREVIEW))
    asker = uuid4()
    for role, person, status in (("teacher", uuid4(), 403), ("teacher", asker, 200), ("staff", uuid4(), 200)):
        approval = await held(gateway, school, asker)
        path = f"/v1/approvals/{approval}/refuse"
        answer = await gateway.ask("POST", path, role, school, person, json={"reason": "Wrong day"})
        assert answer.status_code == status, role
        if status == 200:
            assert (answer.json()["state"], answer.json()["reason"]) == ("refused", "Wrong day")
    assert await gateway.one(SENT, (school,)) == 0


async def test_another_school_sees_no_approval_and_a_group_send_names_the_school(gateway, owners, school):
    owners(notifier_POST=(200, PREVIEW))
    approval, elsewhere = await held(gateway, school, uuid4()), await gateway.add_school()
    for method, path in (("GET", ""), ("POST", "/approve"), ("POST", "/refuse")):
        answer = await gateway.ask(method, f"/v1/approvals/{approval}{path}", "school_admin", elsewhere, uuid4())
        assert answer.status_code == 404, path
    body = BODY | {"schools": [str(school), str(elsewhere)]}
    answer = await gateway.ask("POST", "/v1/notifications", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "approval_needed")
    assert answer.json()["schools"] == [str(school)]


async def test_what_waited_for_a_week_lapses_and_its_text_is_gone(gateway, owners, school, admin):
    owners(notifier_POST=(200, PREVIEW))
    approval = await held(gateway, school, uuid4())
    admin.execute("UPDATE gateway.held_send SET requested_at = now() - interval '8 days' WHERE approval_id = %s",
                  (approval,))  # fmt: skip
    await lapse(gateway.service.transactions)
    seen = (await gateway.ask("GET", f"/v1/approvals/{approval}", "staff", school)).json()
    assert (seen["state"], seen["send"]) == ("lapsed", None)

"""Stopping, sending again, unsubscribing: at the gateway only who may; and devices that are gone for good."""

import datetime as dt
import hashlib
from uuid import UUID, uuid4

import pytest

from gateway.directory import devices
from shared.events import DeviceInvalidated

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = dt.datetime.now(dt.UTC)
LONG_AGO = NOW - dt.timedelta(days=1)
SOON = NOW + dt.timedelta(days=1)  # after all that this run will register, however long it takes


async def registered(gateway):
    school, token = await gateway.add_school(), uuid4().hex
    person = await gateway.add_person(school)
    body = {"token": token, "platform": "android"}
    await gateway.ask("PUT", "/v1/me/devices", "guardian", school, person, json=body)
    return school, person, token


@pytest.mark.parametrize(("attempted", "left"), [(SOON, 0), (LONG_AGO, 1)])
async def test_a_dead_token_is_forgotten_unless_it_was_registered_since(gateway, attempted, left):
    school, person, token = await registered(gateway)
    digest = hashlib.sha256(token.encode()).hexdigest()
    event = DeviceInvalidated(school_id=school, person_id=person, token_sha256=digest, attempted_at=attempted)
    async with gateway.service.transactions.begin() as tx:
        await devices.forget(event, tx)
    assert await gateway.one("SELECT count(*) FROM device WHERE token = %s", (token,)) == left


async def test_a_dead_token_that_moved_to_somebody_else_stays_theirs(gateway):
    school, first, token = await registered(gateway)
    second = await gateway.add_person(school)
    body = {"token": token, "platform": "android"}
    await gateway.ask("PUT", "/v1/me/devices", "guardian", school, second, json=body)
    digest = hashlib.sha256(token.encode()).hexdigest()
    event = DeviceInvalidated(school_id=school, person_id=first, token_sha256=digest, attempted_at=SOON)
    async with gateway.service.transactions.begin() as tx:
        await devices.forget(event, tx)
    assert await gateway.one("SELECT person_id FROM device WHERE token = %s", (token,)) == second


async def sent(gateway, school, person):
    body = {"type": "general", "title": "T", "body": "B", "audience": {"people": [str(person)]}}
    return (await gateway.ask("POST", "/v1/notifications", "teacher", school, person, json=body)).json()["id"]


@pytest.mark.parametrize("verb", ["cancel", "resend"])
async def test_only_who_asked_for_it_and_the_office_decide_about_a_notification(gateway, verb):
    school = await gateway.add_school()
    teacher = await gateway.add_person(school, "teacher")
    path = f"/v1/notifications/{await sent(gateway, school, teacher)}/{verb}"
    for role, person, status in [
        ("teacher", uuid4(), 403),
        ("teacher", teacher, 503),
        ("staff", uuid4(), 503),
        ("school_admin", uuid4(), 503),
    ]:
        # the notifier is away: whoever gets that far may
        answer = await gateway.ask("POST", path, role, school, person)
        assert answer.status_code == status, role
    assert answer.headers["retry-after"]
    elsewhere = await gateway.ask("POST", path, "school_admin", await gateway.add_school(), uuid4())
    assert elsewhere.status_code in (404, 503)


async def test_promise_08_a_resend_under_one_key_is_one_task_and_with_another_body_409(gateway, owners):
    # given
    scripted = owners(notifier_POST=(202, {"round": 2}))
    school, person = await gateway.add_school(), uuid4()
    teacher = await gateway.add_person(school, "teacher")
    path = f"/v1/notifications/{await sent(gateway, school, teacher)}/resend"

    async def again(key, **body):
        return await gateway.ask("POST", path, "staff", school, person, {"Idempotency-Key": key}, json=body)

    # when
    answers = [await again("one"), await again("one"), await again("two"), await again("one", unknown=True)]
    # then
    assert [answer.status_code for answer in answers] == [202, 202, 202, 409]
    assert answers[3].json()["code"] == "idempotency_conflict"
    tasks = [body["task_id"] for body in scripted.bodies]
    assert (tasks[0] == tasks[1], tasks[0] == tasks[2]) == (True, False)
    assert [answer.headers["location"] for answer in answers[:3]] == [f"/v1/tasks/{task}" for task in tasks]


@pytest.mark.parametrize(
    ("role", "bound", "where", "status"),
    [("staff", True, {}, 200), ("platform_admin", False, {}, 404), ("platform_admin", False, {"school": "named"}, 200)],
)
async def test_a_step_of_an_escalation_without_a_request_here_is_shown_by_its_owner(
    gateway, owners, role, bound, where, status
):
    owners(notifier_GET=(200, {"state": "completed"}))
    school = await gateway.add_school()
    params = {name: str(school) for name in where}
    answer = await gateway.ask(
        "GET", f"/v1/notifications/{uuid4()}", role, school if bound else None, uuid4(), params=params
    )
    assert answer.status_code == status
    if status == 200:
        assert answer.json() == {"state": "completed"}


async def test_a_one_click_link_asks_first_and_only_post_changes(gateway):
    link = f"/unsubscribe/{uuid4()}.{uuid4()}.general.{'0' * 64}"
    page = await gateway.client.get(link)
    assert page.status_code == 200
    assert '<form method="post">' in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    answer = await gateway.client.post(link, data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 503


@pytest.mark.parametrize("token", ["x", "a.b.c.d", f"{UUID(int=1)}.{UUID(int=2)}.x", "..." + "x" * 500])
async def test_what_is_no_link_of_ours_is_not_found(gateway, token):
    for method in ("GET", "POST"):
        assert (await gateway.client.request(method, f"/unsubscribe/{token}")).status_code == 404

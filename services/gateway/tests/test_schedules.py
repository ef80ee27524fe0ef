"""Asking for something later: accepted at once and whoever is away, refused with the reason, decided by its owner."""

import datetime as dt
from uuid import uuid4

import pytest
import pytest_asyncio

from shared.events import NotificationDue, ScheduleRequested

pytestmark = pytest.mark.asyncio(loop_scope="module")

BODY = {"type": "general", "title": "Excursion", "body": "At eight.", "audience": {"school": True}}
SOON = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=2)).replace(microsecond=0)
WEEKLY = {"kind": "cron", "expression": "0 8 * * mon"}


@pytest_asyncio.fixture(loop_scope="module")
async def school(gateway):
    return await gateway.add_school()


async def ask(gateway, school, headers=None, role="staff", person=None, **timing):
    return await gateway.ask("POST", "/v1/notifications", role, school, person or uuid4(), headers, json=BODY | timing)


async def emitted(gateway, schedule):
    rows = await gateway.rows("SELECT data::jsonb AS data FROM outbox WHERE routing_key = 'schedule.requested'")
    (found,) = [row["data"] for row in rows if row["data"]["schedule_id"] == schedule]
    return ScheduleRequested.model_validate(found)


async def test_a_single_send_is_accepted_with_all_its_ids_while_the_scheduler_is_away(gateway, school):
    # when
    answer = await ask(gateway, school, deliver_at=SOON.isoformat(), expires_after_minutes=30)
    # then
    ids = answer.json()
    assert (answer.status_code, ids["state"]) == (202, "accepted")
    assert answer.headers["location"] == f"/v1/schedules/{ids['schedule_id']}"
    event = await emitted(gateway, ids["schedule_id"])
    assert (event.rule.at, event.timezone, event.school_id) == (SOON, "UTC", school)
    assert event.payload["notification_id"] == ids["notification_id"]
    assert event.payload["expires_after_seconds"] == 1800
    task = await gateway.ask("GET", f"/v1/tasks/{ids['task_id']}", "staff", school, uuid4())
    assert (task.json()["state"], task.json()["kind"]) == ("accepted", "notification.send")


async def test_a_payload_makes_a_notification(gateway, school):
    """What the scheduler adds when it fires is all that is missing."""
    answer = await ask(gateway, school, repeat=WEEKLY, timezone="Europe/Berlin")
    event = await emitted(gateway, answer.json()["schedule_id"])
    assert answer.json().keys() == {"id", "schedule_id", "state"}
    assert (event.rule.expression, event.timezone, event.catch_up) == ("0 8 * * mon", "Europe/Berlin", "once")
    ids = {name: uuid4() for name in ("schedule_id", "notification_id", "task_id", "school_id")}
    moment = {"directory_version": 1, "requested_at": SOON, "due_at": SOON}
    due = NotificationDue(**event.payload, **ids, **moment)
    assert (due.title, due.audience.school, due.channels) == ("Excursion", True, ("push", "mail", "inbox"))


@pytest.mark.parametrize(
    ("timing", "rule"),
    [
        ({"deliver_at": "2030-03-31T02:30:00"}, {"on": "2030-03-31", "time": "02:30:00", "school_days_before": 0}),
        (
            {"deliver_at": {"on": "2030-06-01", "time": "08:00", "school_days_before": 2}},
            {"on": "2030-06-01", "time": "08:00:00", "school_days_before": 2},
        ),
        (
            {"repeat": {"kind": "calendar", "unit": "month", "time": "08:00", "starts": "2030-01-31", "day": "last"}},
            {"unit": "month", "every": 1, "day": "last"},
        ),
        ({"repeat": WEEKLY | {"term": "any", "skip_closed": True}}, {"term": "any", "skip_closed": True}),
    ],
)
async def test_times_are_accepted_as_people_write_them(gateway, school, timing, rule):
    answer = await ask(gateway, school, **timing)
    assert answer.status_code == 202, answer.text
    event = await emitted(gateway, answer.json()["schedule_id"])
    assert rule.items() <= event.rule.model_dump(mode="json").items()


@pytest.mark.parametrize(
    ("timing", "says"),
    [
        ({"repeat": WEEKLY | {"expression": "61 * * * *"}}, "minute: 61 is not between 0 and 59"),
        ({"repeat": WEEKLY | {"expression": "* * * * * *"}}, "at most once a minute"),
        ({"repeat": WEEKLY | {"seconds": "*"}}, "at most once a minute"),
        ({"repeat": WEEKLY | {"expression": "0 0 30 2 *"}}, "it never comes"),
        ({"repeat": WEEKLY | {"until": "2020-01-01"}}, "never comes due"),
        ({"repeat": WEEKLY, "timezone": "Europe/Berlni"}, "did you mean Europe/Berlin"),
        ({"repeat": WEEKLY, "deliver_at": SOON.isoformat()}, "not both"),
        ({"repeat": WEEKLY, "expires_at": "2030-01-01T00:00:00Z"}, "expires_after_minutes"),
        ({"repeat": {"kind": "second"}}, "cron"),
        ({"repeat": {"kind": "calendar", "unit": "second", "time": "08:00", "starts": "2030-01-01"}}, "day"),
        ({"deliver_at": "2020-01-01T00:00:00Z"}, "time has passed"),
        ({"deliver_at": "0001-01-01T00:00:00+14:00"}, "is not between"),
        ({"deliver_at": "9999-12-31T23:59:59-14:00"}, "is not between"),
        (
            {"deliver_at": SOON.isoformat(), "expires_at": (SOON - dt.timedelta(hours=1)).isoformat()},
            "before it is sent",
        ),
        ({"timezone": "Europe/Berlin"}, "deliver_at or repeat"),
    ],
)
async def test_what_cannot_be_is_refused_with_the_reason_and_nothing_is_left(gateway, school, timing, says):
    answer = await ask(gateway, school, **timing)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert says in answer.text
    said = {error["loc"][1] for error in answer.json()["errors"] if error["code"] == "rule"}
    assert said <= {"deliver_at", "repeat", "timezone", "expires_at"}
    assert await gateway.one("SELECT count(*) FROM schedule_intent WHERE school_id = %s", (school,)) == 0


async def test_a_refusal_names_the_field_that_was_sent(gateway, school):
    past = await ask(gateway, school, deliver_at="2020-01-01T00:00:00Z")
    never = await ask(gateway, school, repeat=WEEKLY | {"until": "2020-01-01"})
    assert [answer.json()["errors"][0]["loc"] for answer in (past, never)] == [
        ["body", "deliver_at"],
        ["body", "repeat"],
    ]


async def test_promise_08_the_same_key_asks_for_one_schedule(gateway, school):
    headers, person = {"Idempotency-Key": uuid4().hex}, uuid4()
    first = await ask(gateway, school, headers, person=person, repeat=WEEKLY)
    again = await ask(gateway, school, headers, person=person, repeat=WEEKLY)
    other = await ask(gateway, school, headers, person=person, repeat=WEEKLY | {"expression": "0 9 * * mon"})
    now = await ask(gateway, school, headers, person=person)
    assert first.json() == again.json()
    assert first.headers["location"] == again.headers["location"]
    assert (other.status_code, now.status_code) == (409, 409)
    assert await gateway.one("SELECT count(*) FROM schedule_intent WHERE school_id = %s", (school,)) == 1


async def test_seed_22_a_schedule_for_a_person_of_another_school_is_refused(gateway, school):
    stranger = await gateway.add_person(await gateway.add_school())
    answer = await ask(gateway, school, repeat=WEEKLY, audience={"people": [str(stranger)]})
    assert (answer.status_code, answer.json()["people"]) == (422, [str(stranger)])


async def test_a_schedule_is_accepted_while_its_owner_has_not_heard_of_it(gateway, school, owners):
    owners(scheduler_GET=(404, {"detail": "unknown"}))
    schedule = (await ask(gateway, school, repeat=WEEKLY)).json()["schedule_id"]
    seen = await gateway.ask("GET", f"/v1/schedules/{schedule}", "staff", school, uuid4())
    assert (seen.status_code, seen.json()["state"]) == (200, "accepted")
    nowhere = await gateway.ask("GET", f"/v1/schedules/{uuid4()}", "staff", school, uuid4())
    assert nowhere.status_code == 404


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/pause")])
async def test_seed_20_another_schools_schedule_does_not_exist(gateway, school, owners, method, path):
    asked = owners(scheduler_GET=(404, {"detail": "unknown"})).asked
    schedule = (await ask(gateway, school, repeat=WEEKLY)).json()["schedule_id"]
    elsewhere = await gateway.add_school()
    answer = await gateway.ask(method, f"/v1/schedules/{schedule}{path}", "school_admin", elsewhere, uuid4(), json={})
    assert answer.status_code == 404
    assert {verb for _, verb, _ in asked} == {"GET"}


async def test_a_single_send_cannot_become_repeating_and_the_owner_is_not_asked(gateway, school, owners):
    asked = owners().asked
    weekly = (await ask(gateway, school, repeat=WEEKLY)).json()["schedule_id"]
    once = (await ask(gateway, school, deliver_at=SOON.isoformat())).json()["schedule_id"]
    for schedule, change in ((weekly, {"deliver_at": SOON.isoformat()}), (once, {"repeat": WEEKLY})):
        path = f"/v1/schedules/{schedule}"
        answer = await gateway.ask("PATCH", path, "school_admin", school, uuid4(), json=change)
        assert (answer.status_code, "a single send cannot become repeating" in answer.text) == (422, True)
    assert asked == []


@pytest.mark.parametrize(("field", "where"), [("expression", "repeat"), ("timezone", "timezone")])
async def test_a_refusal_of_the_owner_names_the_field_of_the_request(gateway, school, owners, field, where):
    error = {"loc": ["body", field], "code": "rule", "message": "minute: 61 is not between 0 and 59"}
    refusal = (422, {"detail": {"code": "invalid", "message": error["message"], "errors": [error]}})
    owners(scheduler_POST=refusal, scheduler_PATCH=refusal)
    schedule = (await ask(gateway, school, repeat=WEEKLY)).json()["schedule_id"]
    for method, path in (("POST", "preview"), ("PATCH", schedule)):
        body = {"repeat": WEEKLY}
        answer = await gateway.ask(method, f"/v1/schedules/{path}", "school_admin", school, uuid4(), json=body)
        assert (answer.status_code, answer.json()["detail"]) == (422, error["message"])
        assert answer.json()["errors"] == [error | {"loc": ["body", where]}]


async def test_only_who_asked_for_it_and_administrators_decide(gateway, school, owners):
    owners(scheduler_POST=(200, {"state": "paused"}))
    person = uuid4()
    schedule = (await ask(gateway, school, role="teacher", person=person, repeat=WEEKLY)).json()["schedule_id"]
    for role, who, status in (("teacher", uuid4(), 403), ("teacher", person, 200), ("school_admin", uuid4(), 200)):
        answer = await gateway.ask("POST", f"/v1/schedules/{schedule}/pause", role, school, who)
        assert answer.status_code == status
    assert answer.headers["etag"] == '"4"'


@pytest.mark.parametrize(
    "data", [{"text": "x" * 1000, "more": "x" * 1000}, {"from": "x"}, {"type": "x"}], ids=lambda data: next(iter(data))
)
async def test_a_change_brings_no_data_that_no_push_could_carry(gateway, school, owners, data):
    asked = owners(scheduler_PATCH=(200, {})).asked
    schedule = (await ask(gateway, school, repeat=WEEKLY)).json()["schedule_id"]
    path = f"/v1/schedules/{schedule}"
    answer = await gateway.ask("PATCH", path, "school_admin", school, uuid4(), json={"data": data})
    assert (answer.status_code, answer.json()["code"], asked) == (422, "invalid", [])


async def test_the_groups_administrators_decide_about_the_systems_own(gateway, school, owners):
    # given: nobody has asked for it here
    asked = owners(scheduler_GET=(200, {"state": "active"}), scheduler_POST=(200, {"state": "paused"})).asked
    path = f"/v1/schedules/{uuid4()}/pause"
    # then: bound to no school, they name the one whose eyes they look with
    unbound = await gateway.ask("POST", path, "platform_admin")
    assert (unbound.status_code, unbound.json()["code"]) == (400, "school_needed")
    answer = await gateway.ask("POST", path, "platform_admin", params={"school": str(school)})
    assert (answer.status_code, answer.json()["state"]) == (200, "paused")
    assert asked[-1] == ("scheduler", "POST", path)


async def test_calling_a_single_send_off_asks_the_scheduler_and_then_the_notifier(gateway, school, owners):
    # given
    late = {"detail": {"code": "too_late", "message": "It is done already.", "state": "done"}}
    asked = owners(scheduler_DELETE=(409, late), notifier_POST=(200, {"state": "cancelled"})).asked
    ids = (await ask(gateway, school, deliver_at=SOON.isoformat())).json()
    # when: by its schedule, or by its notification
    for method, path in (
        ("DELETE", f"/v1/schedules/{ids['schedule_id']}"),
        ("POST", f"/v1/notifications/{ids['notification_id']}/cancel"),
    ):
        asked.clear()
        answer = await gateway.ask(method, path, "school_admin", school, uuid4())
        # then
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
        assert asked == [
            ("scheduler", "DELETE", f"/v1/schedules/{ids['schedule_id']}"),
            ("notifier", "POST", f"/v1/notifications/{ids['notification_id']}/cancel"),
        ]
    # a repeating one has no notification of its own to ask back
    weekly = (await ask(gateway, school, repeat=WEEKLY)).json()["schedule_id"]
    answer = await gateway.ask("DELETE", f"/v1/schedules/{weekly}", "school_admin", school, uuid4())
    assert (answer.status_code, answer.json()["code"]) == (409, "too_late")

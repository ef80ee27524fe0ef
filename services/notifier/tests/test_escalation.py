"""Escalation: push, mail, the next guardian, the office; until one of them reads."""

import asyncio
import datetime as dt

import pytest
from uuid_utils.compat import uuid7

from notifier import handlers, invariants
from notifier.escalation.escalation import next_step
from shared.events.directory import Guardian, Membership
from shared.events.notifications import Escalation

LATER = "UPDATE escalation SET due_at = due_at - interval '16 minutes' WHERE state = 'open'"
OVER = "UPDATE escalation SET deadline = clock_timestamp(), due_at = clock_timestamp() WHERE state = 'open'"
CHILDREN = "SELECT notification_id FROM notification WHERE escalates = %s ORDER BY requested_at"


class Family:
    """A student with two guardians at a school with an office, and a notification that must reach one person."""

    def __init__(self, client, first, second, office, student):
        self.client, self.first, self.second, self.office, self.student = client, first, second, office, student
        self.notice = None

    async def notify(self, audience=None, **changes):
        wanted = changes.pop("escalation", Escalation())
        audience = audience or {"students": (self.student,)}
        self.notice = await self.client.plan(audience, channels=("push", "inbox"), escalation=wanted, **changes)
        await self.work()

    async def work(self):
        await handlers.escalate(self.client.harness.service.transactions)
        await self.client.harness.run_permits()

    async def wait(self):
        """A quarter of an hour and a bit goes by."""
        await self.client.harness.execute(LATER)
        await self.work()

    async def asked(self):
        """What has been sent so far, as (person, channel)."""
        children = await self.client.harness.rows(CHILDREN, (self.notice,))
        notices = [self.notice, *(row["notification_id"] for row in children)]
        return [sorted(await self.client.deliveries(each), key=str) for each in notices]

    async def read(self, person, nth=-1):
        children = await self.client.harness.rows(CHILDREN, (self.notice,))
        notice = [self.notice, *(row["notification_id"] for row in children)][nth]
        answer = await self.client.call("POST", f"/v1/inbox/{notice}/read", person, "guardian")
        assert answer.status_code == 200

    async def reach(self, query=""):
        return (await self.client.call("GET", f"/v1/notifications/{self.notice}/reach{query}")).json()


@pytest.fixture
async def family(client):
    first, second = await client.add_person(), await client.add_person()
    office = await client.add_person("staff")
    await client.set_school(office=(office,))
    return Family(client, first, second, office, await client.add_student(first, second))


async def test_steps_follow_until_the_office_and_are_reported(family):
    everything = ["inbox", "mail", "push"]
    await family.notify()
    assert await family.asked() == [[(family.first, "inbox"), (family.first, "push")]]
    await family.wait()
    assert (await family.asked())[1] == [(family.first, "mail")]
    await family.wait()
    assert (await family.asked())[2] == [(family.second, channel) for channel in everything]
    await family.wait()
    assert (await family.asked())[3] == [(family.office, channel) for channel in everything]
    # then no one is left to ask
    await family.wait()
    assert len(await family.asked()) == 4
    report = await family.reach()
    assert (report["missed"], report["reached"], report["open"]) == (1, 0, 0)
    (case,) = report["cases"]
    assert (case["about"], case["state"]) == (str(family.student), "missed")
    steps = {"first": family.first, "next_guardian": family.second, "office": family.office}
    assert {each["step"]: each["person_id"] for each in case["asked"]} == {name: str(p) for name, p in steps.items()}
    assert {each["read_at"] for each in case["asked"]} == {None}


async def test_no_step_is_made_before_its_time(family):
    await family.notify()
    await family.work()
    assert len(await family.asked()) == 1


@pytest.mark.parametrize("reader", ["first", "second"])
async def test_reading_ends_the_case(family, reader):
    await family.notify()
    await family.wait()
    await family.wait()
    await family.read(getattr(family, reader), 0 if reader == "first" else -1)
    for _ in range(3):
        await family.wait()
    assert len(await family.asked()) == 3
    (case,) = (await family.reach("?state=reached"))["cases"]
    assert case["reached_by"] == str(getattr(family, reader))
    assert (await family.reach("?state=missed"))["cases"] == []


async def test_after_the_deadline_a_case_is_missed_and_no_one_else_is_asked(family):
    await family.notify(escalation=Escalation(deadline=dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)))
    await family.client.harness.execute(OVER)
    await family.work()
    assert len(await family.asked()) == 1
    assert (await family.reach())["missed"] == 1


async def test_a_step_is_never_due_after_the_deadline(family):
    deadline = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=5)
    await family.notify(escalation=Escalation(deadline=deadline))
    (row,) = await family.client.harness.rows("SELECT due_at FROM escalation")
    assert row["due_at"] == deadline


async def test_siblings_have_a_case_each_and_their_parent_one_message(family, client):
    # given a sibling whose next guardian is another person
    third = await client.add_person()
    sibling = await client.add_student(family.first, third)
    await family.notify({"students": (family.student, sibling)})
    assert await family.asked() == [[(family.first, "inbox"), (family.first, "push")]]
    for _ in range(2):
        await family.wait()
    assert {person for person, _ in (await family.asked())[2]} == {family.second, third}
    # when one sibling's guardian reads it, the other one's case goes on
    await family.read(third)
    report = await family.reach()
    assert {case["about"]: case["state"] for case in report["cases"]} == {
        str(family.student): "open",
        str(sibling): "reached",
    }
    # and the parent's reading closes what is left
    await family.read(family.first, 0)
    assert (await family.reach())["reached"] == 2


async def test_a_guardian_without_responsibility_or_address_is_skipped(family, client):
    # given a second guardian without custody, and a first one without a mail address
    silent = await client.add_person(mail=False)
    other = Guardian(person_id=family.second, rank=2, custody=False, emergency=False)
    student = await client.add_student(Guardian(person_id=silent, rank=1), other)
    await family.notify({"students": (student,), "responsibility": "care"})
    await family.wait()
    await family.work()
    await family.work()
    # then the office is asked without two more waits
    assert {person for person, _ in (await family.asked())[1]} == {family.office}


async def test_the_office_is_asked_immediately_about_a_student_without_guardians(family, client):
    orphan = await client.add_student()
    await family.notify({"students": (orphan,)})
    for _ in range(3):
        await family.work()
    assert {person for person, _ in (await family.asked())[1]} == {family.office}


async def test_named_people_have_a_case_each(family):
    await family.notify({"people": (family.first,)})
    await family.wait()
    await family.wait()
    assert {person for person, _ in (await family.asked())[2]} == {family.second}


async def test_an_overdue_case_is_counted_as_a_violation(family):
    count = invariants.INVARIANTS["escalation_overdue"]
    await family.notify()
    assert await family.client.harness.rows(count) == [{"violations": 0}]
    await family.client.harness.execute("UPDATE escalation SET due_at = clock_timestamp() - interval '6 minutes'")
    assert await family.client.harness.rows(count) == [{"violations": 1}]


async def test_concurrent_replicas_take_a_step_once(family):
    await family.notify()
    await family.client.harness.execute(LATER)
    await asyncio.gather(*(handlers.escalate(family.client.harness.service.transactions) for _ in range(4)))
    await family.client.harness.run_permits()
    assert len(await family.asked()) == 2


async def test_reading_at_one_school_of_a_group_ends_the_cases_of_all(harness):
    """An address receives it once across a group: at the second school the person has no item."""
    # given
    schools, group = [await harness.add_school(), await harness.add_school()], uuid7()
    memberships = tuple(Membership(school_id=school, role="guardian") for school in schools)
    parent = await harness.add_person(schools[0], memberships=memberships, mails=("p@example.org",))
    asked = {"channels": ("mail", "inbox"), "group_id": group, "escalation": Escalation(steps=("office",))}
    first, second = [await harness.plan(school, **asked) for school in schools]
    assert (await harness.states(second))["inbox"] == {"suppressed": 1}
    # when
    path = f"/v1/inbox/{first}/read"
    answer = await harness.http(schools[0], "POST", path, role="guardian", person=parent)
    assert answer.status_code == 200
    await harness.execute(LATER)
    await handlers.escalate(harness.service.transactions)
    # then
    cases = await harness.rows("SELECT notification_id, state FROM escalation")
    assert {row["notification_id"]: row["state"] for row in cases} == {first: "reached", second: "reached"}


async def test_a_correction_stops_a_case_and_reaches_all_who_were_asked(family, client):
    await family.notify(origin="absence:1", origin_version=1)
    await family.wait()
    await family.wait()
    correction = client.intent({"told": "absence:1"}, origin="absence:1", origin_version=2, correction=True)
    await client.harness.receive(correction)
    for _ in range(3):
        await family.wait()
    assert len(await family.asked()) == 3
    assert await client.recipients(correction.notification_id) == {family.first, family.second}
    assert (await family.reach())["stopped"] == 1


@pytest.mark.parametrize(
    ("facts", "move"),
    [
        ({}, "mail"),
        ({"step": 2}, "office"),
        ({"step": 3}, "missed"),
        ({"late": True}, "missed"),
        ({"read": True, "late": True}, "reached"),
        ({"over": True, "read": True}, "stopped"),
    ],
)
def test_the_next_step_of_a_due_case(facts, move):
    steps = {"steps": ["mail", "next_guardian", "office"]}
    assert next_step({"over": False, "read": False, "late": False, "step": 0, "escalation": steps} | facts) == move


async def test_trust_10_the_cases_of_a_school_that_is_not_active_take_no_further_step(family):
    await family.notify()
    before = len(await family.asked())
    await family.client.set_school(active=False)
    await family.wait()
    assert len(await family.asked()) == before
    states = await family.client.harness.rows("SELECT DISTINCT state FROM escalation")
    assert states == [{"state": "stopped"}]

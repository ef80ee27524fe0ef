"""Somebody must be reached: push, mail, the next guardian, the office; until one of them reads it."""

import asyncio
import datetime as dt

import pytest
from uuid_utils.compat import uuid7

from notifier import handlers, invariants
from notifier.escalation.escalation import next_move
from shared.events.directory import Guardian, Membership
from shared.events.notifications import Escalation

LATER = "UPDATE escalation SET due_at = due_at - interval '16 minutes' WHERE state = 'open'"
OVER = "UPDATE escalation SET deadline = clock_timestamp(), due_at = clock_timestamp() WHERE state = 'open'"
CHILDREN = "SELECT notification_id FROM notification WHERE escalates = %s ORDER BY requested_at"


class Family:
    """A student with two guardians at a school with an office, and a notice that must reach somebody."""

    def __init__(self, desk, first, second, office, student):
        self.desk, self.first, self.second, self.office, self.student = desk, first, second, office, student
        self.notice = None

    async def tell(self, audience=None, **changes):
        wanted = changes.pop("escalation", Escalation())
        audience = audience or {"students": (self.student,)}
        self.notice = await self.desk.plan(audience, channels=("push", "inbox"), escalation=wanted, **changes)
        await self.work()

    async def work(self):
        await handlers.escalate(self.desk.house.service.transactions)
        await self.desk.house.work()

    async def wait(self):
        """A quarter of an hour and a bit goes by."""
        await self.desk.house.execute(LATER)
        await self.work()

    async def asked(self):
        """What has been sent so far, as (person, channel)."""
        children = await self.desk.house.rows(CHILDREN, (self.notice,))
        notices = [self.notice, *(row["notification_id"] for row in children)]
        return [sorted(await self.desk.told(each), key=str) for each in notices]

    async def read(self, person, nth=-1):
        children = await self.desk.house.rows(CHILDREN, (self.notice,))
        notice = [self.notice, *(row["notification_id"] for row in children)][nth]
        answer = await self.desk.ask("POST", f"/v1/inbox/{notice}/read", person, "guardian")
        assert answer.status_code == 200

    async def reach(self, query=""):
        return (await self.desk.ask("GET", f"/v1/notifications/{self.notice}/reach{query}")).json()


@pytest.fixture
async def family(desk):
    first, second = await desk.person(), await desk.person()
    office = await desk.person("staff")
    await desk.open(office=(office,))
    return Family(desk, first, second, office, await desk.student(first, second))


async def test_steps_follow_one_another_until_the_office_and_are_reported(family):
    everything = ["inbox", "mail", "push"]
    await family.tell()
    assert await family.asked() == [[(family.first, "inbox"), (family.first, "push")]]
    await family.wait()
    assert (await family.asked())[1] == [(family.first, "mail")]
    await family.wait()
    assert (await family.asked())[2] == [(family.second, channel) for channel in everything]
    await family.wait()
    assert (await family.asked())[3] == [(family.office, channel) for channel in everything]
    # then nobody is left to ask
    await family.wait()
    assert len(await family.asked()) == 4
    report = await family.reach()
    assert (report["missed"], report["reached"], report["open"]) == (1, 0, 0)
    (case,) = report["cases"]
    assert (case["about"], case["state"]) == (str(family.student), "missed")
    steps = {"first": family.first, "next_guardian": family.second, "office": family.office}
    assert {each["step"]: each["person_id"] for each in case["asked"]} == {name: str(p) for name, p in steps.items()}
    assert {each["read_at"] for each in case["asked"]} == {None}


async def test_nothing_is_asked_before_its_time(family):
    await family.tell()
    await family.work()
    assert len(await family.asked()) == 1


@pytest.mark.parametrize("reader", ["first", "second"])
async def test_reading_stops_it(family, reader):
    await family.tell()
    await family.wait()
    await family.wait()
    await family.read(getattr(family, reader), 0 if reader == "first" else -1)
    for _ in range(3):
        await family.wait()
    assert len(await family.asked()) == 3
    (case,) = (await family.reach("?state=reached"))["cases"]
    assert case["reached_by"] == str(getattr(family, reader))
    assert (await family.reach("?state=missed"))["cases"] == []


async def test_after_the_deadline_it_is_missed_and_nobody_more_is_asked(family):
    await family.tell(escalation=Escalation(deadline=dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)))
    await family.desk.house.execute(OVER)
    await family.work()
    assert len(await family.asked()) == 1
    assert (await family.reach())["missed"] == 1


async def test_the_next_step_is_never_after_the_deadline(family):
    deadline = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=5)
    await family.tell(escalation=Escalation(deadline=deadline))
    (row,) = await family.desk.house.rows("SELECT due_at FROM escalation")
    assert row["due_at"] == deadline


async def test_siblings_are_two_cases_and_their_parent_is_told_once(family, desk):
    # given a sibling whose next guardian is somebody else
    third = await desk.person()
    sibling = await desk.student(family.first, third)
    await family.tell({"students": (family.student, sibling)})
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


async def test_a_guardian_without_the_duty_or_an_address_is_passed_over(family, desk):
    # given a second guardian without custody, and a first one without a mail address
    silent = await desk.person(mail=False)
    other = Guardian(person_id=family.second, rank=2, custody=False, emergency=False)
    student = await desk.student(Guardian(person_id=silent, rank=1), other)
    await family.tell({"students": (student,), "responsibility": "care"})
    await family.wait()
    await family.work()
    await family.work()
    # then the office is asked without two more waits
    assert {person for person, _ in (await family.asked())[1]} == {family.office}


async def test_a_student_without_guardians_is_the_offices_at_once(family, desk):
    orphan = await desk.student()
    await family.tell({"students": (orphan,)})
    for _ in range(3):
        await family.work()
    assert {person for person, _ in (await family.asked())[1]} == {family.office}


async def test_named_people_have_a_case_each(family):
    await family.tell({"people": (family.first,)})
    await family.wait()
    await family.wait()
    assert {person for person, _ in (await family.asked())[2]} == {family.second}


async def test_a_case_that_nobody_takes_on_is_counted(family):
    count = invariants.INVARIANTS["must_reach_is_not_asked"]
    await family.tell()
    assert await family.desk.house.rows(count) == [{"violations": 0}]
    await family.desk.house.execute("UPDATE escalation SET due_at = clock_timestamp() - interval '6 minutes'")
    assert await family.desk.house.rows(count) == [{"violations": 1}]


async def test_two_replicas_and_a_restart_ask_once(family):
    await family.tell()
    await family.desk.house.execute(LATER)
    await asyncio.gather(*(handlers.escalate(family.desk.house.service.transactions) for _ in range(4)))
    await family.desk.house.work()
    assert len(await family.asked()) == 2


async def test_who_has_read_it_at_one_school_of_a_group_is_reached_at_all_of_them(house):
    """An address is told once across a group: at the second school there is nothing for them to read."""
    # given
    schools, group = [await house.add_school(), await house.add_school()], uuid7()
    memberships = tuple(Membership(school_id=school, role="guardian") for school in schools)
    parent = await house.add_person(schools[0], memberships=memberships, mails=("p@example.org",))
    asked = {"channels": ("mail", "inbox"), "group_id": group, "escalation": Escalation(steps=("office",))}
    first, second = [await house.ask(school, **asked) for school in schools]
    assert (await house.states(second))["inbox"] == {"suppressed": 1}
    # when
    path = f"/v1/inbox/{first}/read"
    answer = await house.http(schools[0], "POST", path, role="guardian", person=parent)
    assert answer.status_code == 200
    await house.execute(LATER)
    await handlers.escalate(house.service.transactions)
    # then
    cases = await house.rows("SELECT notification_id, state FROM escalation")
    assert {row["notification_id"]: row["state"] for row in cases} == {first: "reached", second: "reached"}


async def test_a_correction_stops_it_and_reaches_everybody_who_was_asked(family, desk):
    await family.tell(origin="absence:1", origin_version=1)
    await family.wait()
    await family.wait()
    correction = desk.request({"told": "absence:1"}, origin="absence:1", origin_version=2, correction=True)
    await desk.house.receive(correction)
    for _ in range(3):
        await family.wait()
    assert len(await family.asked()) == 3
    assert await desk.people(correction.notification_id) == {family.first, family.second}
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
def test_what_becomes_of_a_case_that_is_due(facts, move):
    steps = {"steps": ["mail", "next_guardian", "office"]}
    assert next_move({"over": False, "read": False, "late": False, "step": 0, "escalation": steps} | facts) == move

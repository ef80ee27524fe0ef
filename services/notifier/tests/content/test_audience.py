"""Who is meant: classes, grades, students and their guardians, each person once."""

import datetime as dt
import uuid
from zoneinfo import ZoneInfo

import pytest

from shared.events.directory import Guardian, Membership


async def test_guardians_of_a_class_are_told_once_for_all_their_children(desk):
    # given two siblings of one class, and a child of another
    blue, red = uuid.uuid4(), uuid.uuid4()
    mother, father, other = [await desk.person() for _ in range(3)]
    await desk.student(mother, father, classes=(blue,), grade="07")
    await desk.student(mother, classes=(blue, red), grade="05")
    await desk.student(other, classes=(red,), grade="07")
    # when
    sent = await desk.plan({"classes": (blue,)}, channels=("inbox",))
    # then
    assert await desk.told(sent) == {(mother, "inbox"): "accepted", (father, "inbox"): "accepted"}


@pytest.mark.parametrize(
    ("responsibility", "expected"),
    [
        ("any", "abcd"),
        ("custody", "a"),
        ("billing", "b"),
        ("emergency", "c"),
        ("care", "ac"),
    ],
)
async def test_a_students_guardians_by_what_they_answer_for(desk, responsibility, expected):
    people = {letter: await desk.person() for letter in "abcd"}
    duties = {"a": "custody", "b": "billing", "c": "emergency"}
    none = {"custody": False, "billing": False, "emergency": False}
    student = await desk.student(
        *(
            Guardian(person_id=person, **(none | ({duties[letter]: True} if letter in duties else {})))
            for letter, person in people.items()
        )
    )
    sent = await desk.plan({"students": (student,), "responsibility": responsibility}, channels=("inbox",))
    assert await desk.people(sent) == {people[letter] for letter in expected}


async def test_students_themselves_are_meant_only_where_their_role_is(desk):
    mother = await desk.person()
    student = await desk.student(mother, grade="07")
    both = await desk.plan({"grade": "07", "roles": ("guardian", "student")}, channels=("inbox",))
    alone = await desk.plan({"students": (student,), "roles": ("student",)}, channels=("inbox",))
    assert await desk.people(both) == {mother, student}
    assert await desk.people(alone) == {student}


async def test_of_a_student_who_has_left_only_what_names_them_is_told(desk):
    mother = await desk.person()
    student = await desk.student(mother, grade="07", active=False)
    assert await desk.people(await desk.plan({"grade": "07"})) == set()
    assert await desk.people(await desk.plan({"students": (student,)})) == {mother}


async def test_a_guardian_whom_the_school_has_let_go_is_told_of_no_student(desk):
    """As when a court says so: the end of the membership is what a school can say by hand."""
    # given
    today = dt.datetime.now(ZoneInfo("Europe/Berlin")).date()
    over = Membership(school_id=desk.school, role="guardian", ends=today)
    gone, stranger, mother = (
        await desk.person(memberships=(over,)),
        await desk.person(memberships=()),
        await desk.person(),
    )
    student = await desk.student(gone, stranger, mother, grade="07")
    # when
    named = await desk.plan({"students": (student,)}, channels=("inbox",))
    graded = await desk.plan({"grade": "07"}, channels=("inbox",))
    # then
    assert await desk.people(named) == await desk.people(graded) == {stranger, mother}
    answer = await desk.ask("GET", f"/v1/notifications/{graded}/why/{gone}")
    assert "belong to the school any more" in answer.json()["because"]


async def test_another_schools_students_and_people_are_not_meant(desk):
    here, there = desk.school, uuid.uuid4()
    mother = await desk.person()
    student = await desk.student(mother)
    desk.school = there
    await desk.open()
    sent = await desk.plan({"students": (student,)})
    named = await desk.plan({"people": (mother,)})
    assert here != there
    assert await desk.people(sent) == await desk.people(named) == set()


async def test_told_are_those_whom_a_provider_took_it_for(desk):
    # given: one is told, one has opted for nothing, one has no address
    told, unreachable = await desk.person(), await desk.person(mail=False, push=False)
    await desk.plan({"people": (told, unreachable)}, channels=("mail",), origin="absence:1", origin_version=1)
    await desk.house.work()
    # when
    correction = await desk.plan({"told": "absence:1"}, origin="absence:1", origin_version=2, correction=True)
    others = await desk.plan(
        {"people": (told, unreachable), "except_told": "absence:1"}, origin="absence:1", origin_version=2
    )
    # then
    assert await desk.people(correction) == {told}
    assert await desk.people(others) == {unreachable}


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
async def test_who_belongs_to_a_school_is_told_by_its_own_date(desk, zone):
    """At any moment at least one of these zones has another date than UTC."""
    # given
    await desk.open(timezone=zone)
    today, day = dt.datetime.now(ZoneInfo(zone)).date(), dt.timedelta(days=1)
    spans = {"first": (today, None), "last": (None, today + day), "not yet": (today + day, None), "over": (None, today)}
    people = {
        name: await desk.person(
            memberships=(Membership(school_id=desk.school, role="teacher", starts=starts, ends=ends),)
        )
        for name, (starts, ends) in spans.items()
    }
    # when
    sent = await desk.plan({"school": True, "roles": ("teacher",)}, channels=("inbox",))
    # then
    assert await desk.people(sent) == {people["first"], people["last"]}
    for name, words in (("not yet", "belong to the school yet"), ("over", "belong to the school any more")):
        answer = await desk.ask("GET", f"/v1/notifications/{sent}/why/{people[name]}")
        assert words in answer.json()["because"]

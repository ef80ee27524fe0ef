"""Audiences: classes, grades, students and their guardians, each person once."""

import datetime as dt
import uuid
from zoneinfo import ZoneInfo

import pytest

from notifier.planning import planner
from shared.events.directory import Guardian, Membership


async def test_a_guardian_receives_one_message_for_several_children(client):
    # given two siblings of one class, and a child of another
    blue, red = uuid.uuid4(), uuid.uuid4()
    mother, father, other = [await client.add_person() for _ in range(3)]
    await client.add_student(mother, father, classes=(blue,), grade="07")
    await client.add_student(mother, classes=(blue, red), grade="05")
    await client.add_student(other, classes=(red,), grade="07")
    # when
    sent = await client.plan({"classes": (blue,)}, channels=("inbox",))
    # then
    assert await client.deliveries(sent) == {(mother, "inbox"): "accepted", (father, "inbox"): "accepted"}


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
async def test_guardians_are_chosen_by_responsibility(client, responsibility, expected):
    people = {letter: await client.add_person() for letter in "abcd"}
    duties = {"a": "custody", "b": "billing", "c": "emergency"}
    none = {"custody": False, "billing": False, "emergency": False}
    student = await client.add_student(
        *(
            Guardian(person_id=person, **(none | ({duties[letter]: True} if letter in duties else {})))
            for letter, person in people.items()
        )
    )
    sent = await client.plan({"students": (student,), "responsibility": responsibility}, channels=("inbox",))
    assert await client.recipients(sent) == {people[letter] for letter in expected}


async def test_students_receive_messages_only_where_their_role_is_named(client):
    mother = await client.add_person()
    student = await client.add_student(mother, grade="07")
    both = await client.plan({"grade": "07", "roles": ("guardian", "student")}, channels=("inbox",))
    alone = await client.plan({"students": (student,), "roles": ("student",)}, channels=("inbox",))
    assert await client.recipients(both) == {mother, student}
    assert await client.recipients(alone) == {student}


async def test_a_student_who_has_left_is_meant_only_by_name(client):
    mother = await client.add_person()
    student = await client.add_student(mother, grade="07", active=False)
    assert await client.recipients(await client.plan({"grade": "07"})) == set()
    assert await client.recipients(await client.plan({"students": (student,)})) == {mother}


async def test_a_guardian_whose_membership_ended_receives_nothing_about_students(client):
    """As when a court says so: the end of the membership is what a school can say by hand."""
    # given
    today = dt.datetime.now(ZoneInfo("Europe/Berlin")).date()
    over = Membership(school_id=client.school, role="guardian", ends=today)
    gone, stranger, mother = (
        await client.add_person(memberships=(over,)),
        await client.add_person(memberships=()),
        await client.add_person(),
    )
    student = await client.add_student(gone, stranger, mother, grade="07")
    # when
    named = await client.plan({"students": (student,)}, channels=("inbox",))
    graded = await client.plan({"grade": "07"}, channels=("inbox",))
    # then
    assert await client.recipients(named) == await client.recipients(graded) == {stranger, mother}
    answer = await client.call("GET", f"/v1/notifications/{graded}/why/{gone}")
    assert "no longer belong to the school" in answer.json()["because"]


async def test_students_and_people_of_another_school_are_not_meant(client):
    here, there = client.school, uuid.uuid4()
    mother = await client.add_person()
    student = await client.add_student(mother)
    client.school = there
    await client.set_school()
    sent = await client.plan({"students": (student,)})
    named = await client.plan({"people": (mother,)})
    assert here != there
    assert await client.recipients(sent) == await client.recipients(named) == set()


async def test_a_correction_reaches_those_whose_delivery_was_accepted(client):
    # given: one receives it, one has no address
    told, unreachable = await client.add_person(), await client.add_person(mail=False, push=False)
    await client.plan({"people": (told, unreachable)}, channels=("mail",), origin="absence:1", origin_version=1)
    await client.harness.run_permits()
    # when
    correction = await client.plan({"told": "absence:1"}, origin="absence:1", origin_version=2, correction=True)
    others = await client.plan(
        {"people": (told, unreachable), "except_told": "absence:1"}, origin="absence:1", origin_version=2
    )
    # then
    assert await client.recipients(correction) == {told}
    assert await client.recipients(others) == {unreachable}


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
async def test_membership_is_judged_by_the_schools_own_date(client, zone):
    """At any moment at least one of these zones has another date than UTC."""
    # given
    await client.set_school(timezone=zone)
    today, day = dt.datetime.now(ZoneInfo(zone)).date(), dt.timedelta(days=1)
    spans = {"first": (today, None), "last": (None, today + day), "not yet": (today + day, None), "over": (None, today)}
    people = {
        name: await client.add_person(
            memberships=(Membership(school_id=client.school, role="teacher", starts=starts, ends=ends),)
        )
        for name, (starts, ends) in spans.items()
    }
    # when
    sent = await client.plan({"school": True, "roles": ("teacher",)}, channels=("inbox",))
    # then
    assert await client.recipients(sent) == {people["first"], people["last"]}
    for name, words in (("not yet", "belong to the school yet"), ("over", "no longer belong to the school")):
        answer = await client.call("GET", f"/v1/notifications/{sent}/why/{people[name]}")
        assert words in answer.json()["because"]


ALL_KINDS = [
    {"school": True},
    {"people": "all"},
    {"grade": "07"},
    {"students": "all"},
    {"classes": "all"},
]


@pytest.mark.parametrize("audience", ALL_KINDS, ids=lambda each: next(iter(each)))
async def test_responsibility_holds_in_every_kind_of_audience(client, audience):
    # given: one has custody of one child; the other has none of the same child
    red = uuid.uuid4()
    with_custody, without = await client.add_person(), await client.add_person()
    rights = (Guardian(person_id=with_custody), Guardian(person_id=without, custody=False, rank=2))
    student = await client.add_student(*rights, grade="07", classes=(red,))
    named = {"people": (with_custody, without), "students": (student,), "classes": (red,)}
    wanted = {kind: named.get(kind, value) for kind, value in audience.items()}
    # when
    sent = await client.plan(wanted | {"responsibility": "custody"}, channels=("inbox",))
    # then
    assert await client.recipients(sent) == {with_custody}
    answer = await client.call("GET", f"/v1/notifications/{sent}/why/{without}")
    assert "it is for guardians with custody" in answer.json()["because"]


async def test_staff_who_are_named_are_notified_whatever_responsibility_is_asked_for(client):
    teacher = await client.add_person("teacher")
    sent = await client.plan({"people": (teacher,), "responsibility": "custody"}, channels=("inbox",))
    assert await client.recipients(sent) == {teacher}


async def test_a_guardian_whose_children_have_left_is_not_in_the_whole_school(client):
    gone, both, unrelated = [await client.add_person() for _ in range(3)]
    await client.add_student(gone, both, active=False)
    await client.add_student(both)
    sent = await client.plan({"school": True}, channels=("inbox",))
    assert await client.recipients(sent) == {both, unrelated}
    answer = await client.call("GET", f"/v1/notifications/{sent}/why/{gone}")
    assert "no longer belong to the school" in answer.json()["because"]


@pytest.mark.parametrize("kind", ALL_KINDS, ids=lambda each: next(iter(each)))
async def test_few_people_get_the_deliveries_that_many_would_get(client, monkeypatch, kind):
    # given: a guardian of two children who teaches here as well, one without an address, and a teacher
    red, both = uuid.uuid4(), [Membership(school_id=client.school, role=role) for role in ("guardian", "teacher")]
    mother, father = await client.add_person(memberships=both), await client.add_person(mail=False)
    students = [await client.add_student(mother, father, grade="07", classes=(red,)) for _ in range(2)]
    teacher = await client.add_person("teacher", push=False)
    named = {"people": (mother, father, teacher), "students": tuple(students), "classes": (red,)}
    audience = {each: named.get(each, value) for each, value in kind.items()}
    audience["roles"] = ("guardian", "teacher", "student")
    # when
    few = await client.deliveries(await client.plan(audience))
    monkeypatch.setattr(planner, "FEW", 1)
    # then
    assert await client.deliveries(await client.plan(audience)) == few
    assert {mother, father} <= {person for person, _ in few}
    assert {"pending", "accepted", "no_address"} <= set(few.values())


async def test_the_plan_of_a_send_to_few_people_is_kept(client):
    person = await client.add_person()
    for _ in range(30):
        await client.plan({"people": (person,)})
    query = "SELECT generic_plans FROM pg_prepared_statements WHERE statement LIKE '%%unnest((SELECT%%'"
    assert [row["generic_plans"] > 0 for row in await client.harness.rows(query)] == [True]


async def test_a_few_people_receive_it_first_and_all_others_later_and_no_person_or_address_twice(client):
    # given: the father reads the same mails as the mother, who is among the few
    mother, other, late = [await client.add_person() for _ in range(3)]
    father = await client.add_person(mails=(f"{mother}@example.org",), tokens=())
    await client.add_student(mother, father, other, late, grade="07")
    about = {"channels": ("mail", "inbox"), "group_id": uuid.uuid4()}
    # when
    first = await client.plan({"grade": "07", "only_people": (mother, uuid.uuid4())}, **about)
    rest = await client.plan({"grade": "07", "except_people": (mother,)}, **about)
    # then
    assert await client.recipients(first) == {mother}
    assert await client.deliveries(rest) == {
        (other, "mail"): "pending", (other, "inbox"): "accepted",
        (late, "mail"): "pending", (late, "inbox"): "accepted",
        (father, "mail"): "same_address", (father, "inbox"): "accepted",
    }  # fmt: skip
    for sent, person, gap in ((rest, mother, "receives_first"), (first, other, "receives_later")):
        why = (await client.call("GET", f"/v1/notifications/{sent}/why/{person}")).json()
        left_out = [each.get("gap") for each in why["timeline"] if each["what"] == "not_in_audience"]
        assert (why["verdict"], left_out) == ("not_sent", [gap])


async def test_people_are_drawn_from_those_who_can_be_reached(client):
    # given: one by mail, one in the app only, one not at all
    by_mail = await client.add_person(push=False)
    in_app = await client.add_person(mail=False, push=False)
    await client.add_person(mail=False, push=False, active=False)
    asked = {"audience": {"school": True}, "kind": "general", "channels": ["mail", "inbox"]}
    # when
    drawn = []
    for count in (1, 2, 3):
        answer = (await client.call("POST", "/v1/notifications:preview", json=asked | {"draw": count})).json()
        drawn.append(answer["drawn"])
    # then: whom a provider is called for comes first
    assert answer["people"] == 3
    assert drawn[0] == [str(by_mail)]
    assert drawn[1] == drawn[2] == [str(by_mail), str(in_app)]
    assert (await client.call("POST", "/v1/notifications:preview", json=asked)).json()["drawn"] == []

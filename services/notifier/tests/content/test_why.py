"""Why did, or didn't, this person get it: one timeline, negatives included."""

import datetime as dt

import pytest

from notifier import handlers
from notifier.domain.reasons import not_in_audience
from notifier.providers import Outcome
from shared.events.directory import Guardian, Preference
from shared.events.notifications import Escalation

TODAY = dt.date(2026, 11, 25)
STUDENT = {"student_id": "s", "grade": "07", "classes": ["c"], "active": True, "custody": True, "billing": False}


async def why(desk, notification, person):
    answer = await desk.ask("GET", f"/v1/notifications/{notification}/why/{person}")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    return found["verdict"], found["because"], found["timeline"]


def whats(timeline):
    return [moment["what"] for moment in timeline]


async def test_from_the_event_to_the_reading(desk):
    # given a mail server that is busy once
    person = await desk.person(push=False)
    answers = [Outcome("transient", "smtp_451"), Outcome("accepted")]
    desk.house.mail._answer = lambda _: answers.pop(0)
    sent = await desk.plan({"people": (person,)}, channels=("mail", "inbox"), origin="absence:1", origin_version=1)
    await desk.house.work_through()
    await desk.ask("POST", f"/v1/inbox/{sent}/read", person, "guardian")
    # when
    verdict, because, timeline = await why(desk, sent, person)
    # then
    assert (verdict, because) == ("read", "the person read it")
    expected = ["asked", "received", "in_audience", "called", "answered", "called", "answered", "read"]
    assert [what for what in whats(timeline) if what != "in_inbox"] == expected
    answered = [moment for moment in timeline if moment["what"] == "answered"]
    assert [(each["outcome"], each.get("answer")) for each in answered] == [
        ("transient", "smtp_451"),
        ("accepted", None),
    ]
    assert timeline[0]["origin"] == "absence:1"
    assert [moment["at"] for moment in timeline] == sorted(moment["at"] for moment in timeline)


async def test_negatives_are_said_for_each_channel(desk):
    # given somebody without a device who wants no mail, and two with one address
    unwilling = await desk.person(push=False, preferences=(Preference(kind="general", channel="mail", wanted=False),))
    first = await desk.person(mails=("home@example.org",), push=False)
    second = await desk.person(mails=("HOME@example.org",), push=False)
    sent = await desk.plan({"people": (unwilling, first, second)}, channels=("push", "mail"))
    await desk.house.work()
    verdict, because, timeline = await why(desk, sent, unwilling)
    assert verdict == "not_told"
    assert "does not want notifications of this kind" in because
    assert "no address for this channel" in because
    assert {moment["channel"] for moment in timeline if moment["what"] == "suppressed"} == {"push", "mail"}
    answers = [await why(desk, sent, each) for each in (first, second)]
    assert sorted(answer[0] for answer in answers) == ["not_told", "told"]
    left = next(answer for answer in answers if answer[0] == "not_told")
    (same,) = [moment for moment in left[2] if moment.get("reason") == "same_address"]
    assert same["same_as"] in (str(first), str(second))


async def test_a_dead_device_and_a_hold_are_told_apart(desk):
    dead, asleep = await desk.person(mail=False), await desk.person(mail=False)
    desk.house.push._answer = lambda _: Outcome("token_dead", "UNREGISTERED")
    sent = await desk.plan({"people": (dead, asleep)}, channels=("push",))
    hold = "UPDATE delivery SET state = 'held', due_at = clock_timestamp() + interval '8 hours' WHERE person_id = %s"
    await desk.house.execute(hold, (asleep,))
    await desk.house.work()
    verdict, because, timeline = await why(desk, sent, dead)
    assert verdict == "not_told"
    assert "no longer registered" in " ".join(moment["text"] for moment in timeline)
    assert because == "the device is no longer registered; it has been forgotten (UNREGISTERED)"
    verdict, _, timeline = await why(desk, sent, asleep)
    assert verdict == "open"
    assert timeline[-1]["what"] == "held"


async def test_who_was_not_meant_learns_why(desk):
    father = await desk.person()
    stranger = await desk.person("staff")
    student = await desk.student(Guardian(person_id=father, custody=False, emergency=False))
    sent = await desk.plan({"students": (student,), "responsibility": "care"})
    for person, reason in ((father, "custody or emergency"), (stranger, "answer for no student whom it is about")):
        verdict, because, timeline = await why(desk, sent, person)
        assert verdict == "not_told"
        assert reason in because
        assert "not_in_audience" in whats(timeline)


async def test_corrections_and_further_steps_are_part_of_it(desk):
    first, second = await desk.person(), await desk.person()
    student = await desk.student(first, second)
    sent = await desk.plan(
        {"students": (student,)}, escalation=Escalation(steps=("next_guardian",)), origin="a:1", origin_version=1
    )
    assert "another guardian is asked first" in (await why(desk, sent, second))[1]
    await desk.house.execute("UPDATE escalation SET due_at = clock_timestamp()")
    await handlers.escalate(desk.house.service.transactions)
    await desk.house.work()
    verdict, _, timeline = await why(desk, sent, second)
    assert verdict == "told"
    assert "escalated" in whats(timeline)
    await desk.plan({"told": "a:1"}, origin="a:1", origin_version=2, correction=True)
    assert "corrected" in whats((await why(desk, sent, first))[2])


async def test_another_schools_notification_has_no_answer(desk):
    person = await desk.person()
    sent = await desk.plan({"people": (person,)})
    desk.school = await desk.house.add_school()
    assert (await desk.ask("GET", f"/v1/notifications/{sent}/why/{person}")).status_code == 404


async def test_what_could_not_be_said_is_the_reason(desk):
    person = await desk.person()
    sent = await desk.plan({"people": (person,)}, template="nonesuch")
    assert (await why(desk, sent, person))[:2] == ("not_told", "template 'nonesuch': there is no template 'nonesuch'")


@pytest.mark.parametrize(
    ("audience", "facts", "reason"),
    [
        ({"people": ["x"]}, {}, "not among the people who were named"),
        ({"school": True, "roles": ["teacher"]}, {}, "it is for teacher; they are guardian"),
        ({"school": True, "roles": ["guardian"]}, {"ends": TODAY}, "do not belong to the school any more"),
        ({"school": True, "roles": ["guardian"]}, {"starts": TODAY + dt.timedelta(1)}, "to the school yet"),
        ({"grade": "08", "roles": ["guardian"]}, {}, "no student of grade 08"),
        ({"classes": ["d"], "roles": ["guardian"]}, {}, "no student of these classes"),
        ({"grade": "07", "roles": ["student"]}, {}, "for the students themselves"),
        ({"grade": "07", "roles": ["guardian"], "responsibility": "billing"}, {}, "guardians with billing"),
        ({"grade": "07", "roles": ["guardian"]}, {"nth": 2, "first_only": True}, "another guardian is asked first"),
        ({"told": "a"}, {"told": False}, "had not been told of what it corrects"),
        (
            {"students": ["s"], "roles": ["guardian"], "except_told": "a"},
            {"except_told": True},
            "the correction instead",
        ),
        ({"grade": "07", "roles": ["guardian"]}, {"student": STUDENT}, "not for the students themselves"),
        ({"grade": "07", "roles": ["guardian"]}, {"roles": [], "students": []}, "not known at this school"),
        ({"classes": ["c"], "roles": ["guardian"]}, {}, None),
        ({"told": "a"}, {"told": True}, None),
    ],
)
def test_why_somebody_is_not_in_an_audience(audience, facts, reason):
    roles = [{"role": "guardian", "starts": facts.get("starts"), "ends": facts.get("ends")}]
    base = {
        "person_id": "p",
        "roles": roles,
        "students": [STUDENT | {"emergency": False, "nth": facts.get("nth", 1)}],
        "student": None,
        "first_only": False,
        "told": False,
        "except_told": False,
    }
    found = not_in_audience(audience, base | {k: v for k, v in facts.items() if k in base}, TODAY)
    assert found == [] if reason is None else reason in found[0]


async def test_what_was_stopped_before_anybody_was_meant_says_so(desk):
    """Nobody was left out of an audience that was never looked for."""
    # given: the directory has not come far enough, and it is stopped meanwhile
    person = await desk.person()
    sent = await desk.plan({"people": (person,)}, directory_version=1_000_000)
    assert (await desk.ask("POST", f"/v1/notifications/{sent}/cancel")).status_code == 200
    # when
    verdict, because, timeline = await why(desk, sent, person)
    # then
    assert (verdict, because) == ("not_told", "it was stopped before anybody was told")
    assert whats(timeline) == ["asked", "received"]

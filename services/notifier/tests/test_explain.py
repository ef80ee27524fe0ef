"""Explanations: one timeline, with the reasons why nothing was sent."""

import datetime as dt
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from notifier import handlers
from notifier.providers import Outcome
from shared.events.directory import Guardian, Membership, Preference
from shared.events.notifications import Escalation


async def why(client, notification, person):
    answer = await client.call("GET", f"/v1/notifications/{notification}/why/{person}")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    return found["verdict"], found["because"], found["timeline"]


def whats(timeline):
    return [entry["what"] for entry in timeline]


async def test_the_timeline_runs_from_the_intent_to_the_reading(client):
    # given a mail server that is busy once
    person = await client.add_person(push=False)
    answers = [Outcome("transient", "smtp_451"), Outcome("accepted")]
    client.harness.mail.answer = lambda _: answers.pop(0)
    sent = await client.plan({"people": (person,)}, channels=("mail", "inbox"), origin="absence:1", origin_version=1)
    await client.harness.run_to_end()
    await client.call("POST", f"/v1/inbox/{sent}/read", person, "guardian")
    # when
    verdict, because, timeline = await why(client, sent, person)
    # then
    assert (verdict, because) == ("read", "the person read it")
    expected = ["asked", "received", "in_audience", "called", "answered", "called", "answered", "read"]
    assert [what for what in whats(timeline) if what != "in_inbox"] == expected
    answered = [entry for entry in timeline if entry["what"] == "answered"]
    assert [(each["outcome"], each.get("answer")) for each in answered] == [
        ("transient", "smtp_451"),
        ("accepted", None),
    ]
    assert timeline[0]["origin"] == "absence:1"
    assert [entry["at"] for entry in timeline] == sorted(entry["at"] for entry in timeline)


async def test_each_channel_says_why_nothing_was_sent(client):
    # given a person without a device who wants no mail, and two with one address
    unwilling = await client.add_person(
        push=False, preferences=(Preference(kind="general", channel="mail", wanted=False),)
    )
    first = await client.add_person(mails=("home@example.org",), push=False)
    second = await client.add_person(mails=("HOME@example.org",), push=False)
    sent = await client.plan({"people": (unwilling, first, second)}, channels=("push", "mail"))
    await client.harness.run_permits()
    verdict, because, timeline = await why(client, sent, unwilling)
    assert verdict == "not_sent"
    assert "does not want notifications of this kind" in because
    assert "the person has no address for this channel" in because
    assert {entry["channel"] for entry in timeline if entry["what"] == "suppressed"} == {"push", "mail"}
    answers = [await why(client, sent, each) for each in (first, second)]
    assert sorted(answer[0] for answer in answers) == ["not_sent", "sent"]
    left = next(answer for answer in answers if answer[0] == "not_sent")
    (same,) = [entry for entry in left[2] if entry.get("reason") == "same_address"]
    assert same["same_as"] in (str(first), str(second))


async def test_a_dead_device_and_a_held_push_have_different_verdicts(client):
    dead, asleep = await client.add_person(mail=False), await client.add_person(mail=False)
    client.harness.push.answer = lambda _: Outcome("token_dead", "UNREGISTERED")
    sent = await client.plan({"people": (dead, asleep)}, channels=("push",))
    hold = "UPDATE delivery SET state = 'held', due_at = clock_timestamp() + interval '8 hours' WHERE person_id = %s"
    await client.harness.execute(hold, (asleep,))
    await client.harness.run_permits()
    verdict, because, timeline = await why(client, sent, dead)
    assert verdict == "not_sent"
    assert "no longer registered" in " ".join(entry["text"] for entry in timeline)
    assert because == "the device is no longer registered; it has been removed (UNREGISTERED)"
    verdict, _, timeline = await why(client, sent, asleep)
    assert verdict == "open"
    assert timeline[-1]["what"] == "held"


async def test_a_person_outside_the_audience_gets_the_reason(client):
    father = await client.add_person()
    stranger = await client.add_person("staff")
    student = await client.add_student(Guardian(person_id=father, custody=False, emergency=False))
    sent = await client.plan({"students": (student,), "responsibility": "care"})
    for person, reason in (
        (father, "custody or emergency"),
        (stranger, "not a guardian of a student whom it is about"),
    ):
        verdict, because, timeline = await why(client, sent, person)
        assert verdict == "not_sent"
        assert reason in because
        assert "not_in_audience" in whats(timeline)


async def test_the_timeline_has_corrections_and_escalation_steps(client):
    first, second = await client.add_person(), await client.add_person()
    student = await client.add_student(first, second)
    sent = await client.plan(
        {"students": (student,)}, escalation=Escalation(steps=("next_guardian",)), origin="a:1", origin_version=1
    )
    assert "another guardian is asked first" in (await why(client, sent, second))[1]
    await client.harness.execute("UPDATE escalation SET due_at = clock_timestamp()")
    await handlers.escalate(client.harness.service.transactions)
    await client.harness.run_permits()
    verdict, _, timeline = await why(client, sent, second)
    assert verdict == "sent"
    assert "escalated" in whats(timeline)
    await client.plan({"told": "a:1"}, origin="a:1", origin_version=2, correction=True)
    assert "corrected" in whats((await why(client, sent, first))[2])


async def test_another_schools_notification_is_not_explained(client):
    person = await client.add_person()
    sent = await client.plan({"people": (person,)})
    client.school = await client.harness.add_school()
    assert (await client.call("GET", f"/v1/notifications/{sent}/why/{person}")).status_code == 404


async def test_a_template_that_cannot_be_rendered_is_the_reason(client):
    person = await client.add_person()
    sent = await client.plan({"people": (person,)}, template="nonesuch")
    assert (await why(client, sent, person))[:2] == ("not_sent", "template 'nonesuch': there is no template 'nonesuch'")


class Household:
    """A guardian with custody only, their student in grade 07 and class `blue`, and another guardian of the student."""

    def __init__(self, client):
        self.client, self.blue, self.red = client, uuid4(), uuid4()

    async def join(self, rank=1, **membership):
        self.guardian, self.other = uuid4(), await self.client.add_person()
        role = Membership(school_id=self.client.school, role="guardian", **membership)
        await self.client.add_person(person_id=self.guardian, memberships=(role,))
        first = Guardian(person_id=self.guardian, rank=rank, billing=False)
        second = Guardian(person_id=self.other, rank=3 - rank)
        self.student = await self.client.add_student(first, second, grade="07", classes=(self.blue,))


def days(number):
    """A date, so many days from the school's own."""
    return dt.datetime.now(ZoneInfo("Europe/Berlin")).date() + dt.timedelta(days=number)


@pytest.mark.parametrize(
    ("audience", "membership", "reason"),
    [
        (lambda home: {"people": (home.other,)}, {}, "they are not among the named people"),
        (lambda _: {"school": True, "roles": ("teacher",)}, {}, "it is for teacher; they are guardian"),
        (lambda _: {"school": True}, {"ends": 0}, "they no longer belong to the school"),
        (lambda _: {"school": True}, {"starts": 2}, "they do not belong to the school yet"),
        (lambda _: {"grade": "08"}, {}, "they are not a guardian of a student of grade 08"),
        (lambda home: {"classes": (home.red,)}, {}, "they are not a guardian of a student of these classes"),
        (lambda _: {"grade": "07", "roles": ("student",)}, {}, "it is for the students themselves, not for guardians"),
        (lambda _: {"grade": "07"}, {"ends": 0}, "they no longer belong to the school"),
        (lambda _: {"grade": "07", "responsibility": "billing"}, {}, "it is for guardians with billing, which they"),
    ],
)
async def test_the_first_condition_that_a_person_does_not_meet_is_named(client, audience, membership, reason):
    home = Household(client)
    await home.join(**{edge: days(number) for edge, number in membership.items()})
    sent = await client.plan(audience(home), channels=("inbox",))
    verdict, because, _ = await why(client, sent, home.guardian)
    assert verdict == "not_sent"
    assert because.startswith(f"not in the audience: {reason}")


async def test_a_second_guardian_is_asked_later(client):
    home = Household(client)
    await home.join(rank=2)
    sent = await client.plan({"grade": "07"}, escalation=Escalation(steps=("next_guardian",)))
    assert "another guardian is asked first" in (await why(client, sent, home.guardian))[1]


async def test_students_and_strangers_are_explained(client):
    home = Household(client)
    await home.join()
    sent = await client.plan({"grade": "07"}, channels=("inbox",))
    assert "for guardians, not for the students themselves" in (await why(client, sent, home.student))[1]
    assert "not known at this school" in (await why(client, sent, uuid4()))[1]


async def test_only_people_who_received_the_first_version_receive_its_correction(client):
    home = Household(client)
    await home.join()
    about = {"origin": "absence:1", "channels": ("mail",)}
    await client.plan({"people": (home.guardian,)}, origin_version=1, **about)
    await client.harness.run_permits()
    correction = await client.plan({"told": "absence:1"}, origin_version=2, correction=True, **about)
    others = await client.plan({"students": (home.student,), "except_told": "absence:1"}, origin_version=2, **about)
    await client.harness.run_permits()
    # then
    assert (await why(client, correction, home.guardian))[0] == "sent"
    assert "had not received the version that it corrects" in (await why(client, correction, home.other))[1]
    assert "receive the correction instead" in (await why(client, others, home.guardian))[1]
    assert (await why(client, others, home.other))[0] == "sent"


async def test_a_person_who_joined_after_the_plan_learns_that(client):
    home = Household(client)
    sent = await client.plan({"classes": (home.blue,)}, channels=("inbox",))
    await home.join()
    assert "they were not in it when it was planned; they are now" in (await why(client, sent, home.guardian))[1]


async def test_a_notification_cancelled_before_planning_says_so(client):
    """Nobody was left out of an audience that was never looked for."""
    # given: the directory has not come far enough, and it is stopped meanwhile
    person = await client.add_person()
    sent = await client.plan({"people": (person,)}, directory_version=1_000_000)
    assert (await client.call("POST", f"/v1/notifications/{sent}/cancel")).status_code == 200
    # when
    verdict, because, timeline = await why(client, sent, person)
    # then
    assert (verdict, because) == ("not_sent", "it was cancelled before it was planned")
    assert whats(timeline) == ["asked", "received"]

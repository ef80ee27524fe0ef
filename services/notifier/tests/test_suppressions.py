"""Suppressed addresses and people: bounces, complaints, one-click unsubscribes; and dead tokens."""

import asyncio
import datetime as dt
import hashlib
import re
from email import message_from_bytes
from uuid import uuid4

import pytest

from notifier.providers import Outcome
from shared.events import Audience
from shared.events.directory import Preference

ADA = "Ada@example.org"
OPTED_OUT = (Preference(kind="general", channel="mail", wanted=False),)


def gone(reason="smtp_550_5.1.1"):
    return lambda _: Outcome("bounced", reason)


async def school_of_ada(harness, **changes):
    school = await harness.add_school()
    return school, await harness.add_person(school, mails=(ADA,), **changes)


async def told(harness, school, **changes):
    notification = await harness.plan(school, **({"channels": ("mail",)} | changes))
    await harness.run_permits()
    return (await harness.states_with_reasons(notification))["mail", ADA]


async def test_a_certain_bounce_suppresses_the_address_after_one_mail(open_harness):
    harness = await open_harness(mail=gone())
    school, _ = await school_of_ada(harness)
    assert await told(harness, school) == "smtp_550_5.1.1"
    assert await told(harness, school) == "bounced"
    assert await told(harness, school, kind="safety") == "bounced"
    # when the suppression is lifted
    (listed,) = (await harness.http(school, "GET", "/v1/suppressions")).json()["items"]
    assert (listed["target"], listed["reason"], listed["detail"]) == (ADA.lower(), "bounced", "smtp_550_5.1.1")
    answer = await harness.http(school, "DELETE", f"/v1/suppressions/{listed['suppression_id']}")
    assert answer.status_code == 204
    assert await told(harness, school) == "smtp_550_5.1.1"


async def test_three_uncertain_bounces_suppress_an_address(open_harness):
    harness = await open_harness(mail=gone("smtp_550"))
    school, _ = await school_of_ada(harness)
    assert [await told(harness, school) for _ in range(4)] == ["smtp_550"] * 3 + ["bounced"]


async def test_a_complaint_suppresses_all_mails_except_safety(harness):
    school, _ = await school_of_ada(harness)
    body = {"address": ADA, "reason": "complained"}
    assert (await harness.http(school, "POST", "/v1/suppressions", json=body)).status_code == 201
    assert await told(harness, school) == "complained"
    assert await told(harness, school, kind="safety") == "accepted"


async def test_a_suppression_applies_to_one_school(harness):
    school, _ = await school_of_ada(harness)
    other = await harness.add_school()
    made = await harness.http(school, "POST", "/v1/suppressions", json={"address": ADA, "reason": "bounced"})
    assert (await harness.http(other, "GET", "/v1/suppressions")).json()["items"] == []
    path = f"/v1/suppressions/{made.json()['suppression_id']}"
    assert (await harness.http(other, "DELETE", path)).status_code == 404


async def link(harness, school, **changes):
    await told(harness, school, **changes)
    mail = message_from_bytes(harness.mail.sent[-1].content)
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    return re.fullmatch(r"<https://.*/unsubscribe/(.*)>", mail["List-Unsubscribe"])[1]


async def test_a_one_click_link_unsubscribes_from_one_kind(harness):
    school, _ = await school_of_ada(harness)
    token = await link(harness, school, kind="payment")
    assert (await harness.http(school, "POST", "/v1/unsubscribe", json={"token": token})).status_code == 204
    assert await told(harness, school, kind="payment") == "unsubscribed"
    assert await told(harness, school, kind="general") == "accepted"


async def test_a_mail_is_not_sent_after_an_unsubscribe_between_plan_and_send(harness):
    school, _ = await school_of_ada(harness)
    token = await link(harness, school)
    notification = await harness.plan(school, channels=("mail",))
    await harness.http(school, "POST", "/v1/unsubscribe", json={"token": token})
    await harness.run_permits()
    assert (await harness.states_with_reasons(notification))["mail", ADA] == "unsubscribed"


async def test_a_forged_unsubscribe_link_is_refused(harness):
    school, _ = await school_of_ada(harness)
    token = await link(harness, school)
    forged = [token[:-1] + ("0" if token[-1] != "0" else "1"), token.replace("general", "payment"), "x", "a.b.c.d", ""]
    for each in forged:
        assert (await harness.http(school, "POST", "/v1/unsubscribe", json={"token": each})).status_code == 404
    other = await harness.add_school()
    assert (await harness.http(other, "POST", "/v1/unsubscribe", json={"token": token})).status_code == 404
    assert await told(harness, school) == "accepted"


async def test_a_safety_mail_has_no_unsubscribe_link(harness):
    school, _ = await school_of_ada(harness)
    await told(harness, school, kind="safety")
    assert message_from_bytes(harness.mail.sent[-1].content)["List-Unsubscribe"] is None


@pytest.mark.parametrize(("kind", "expected"), [("general", "opted_out"), ("safety", "accepted")])
async def test_a_delivery_is_not_sent_after_an_opt_out_between_plan_and_send(harness, kind, expected):
    school, person = await school_of_ada(harness)
    notification = await harness.plan(school, channels=("mail",), kind=kind)
    no = Preference(kind=kind, channel="mail", wanted=False)
    await harness.add_person(school, person_id=person, mails=(ADA,), preferences=(no,))
    await harness.run_permits()
    assert (await harness.states_with_reasons(notification))["mail", ADA] == expected
    assert await told(harness, school, kind=kind) == expected


async def test_schools_of_a_group_send_to_an_address_once_even_concurrently(harness):
    schools = [await harness.add_school() for _ in range(4)]
    for school in schools:
        await harness.add_person(school, mails=(ADA,))
        await harness.add_person(school, mails=("everybody@example.org",), tokens=(f"token-{school}",))
    group = uuid4()
    events = [harness.intent(school, channels=("mail", "push"), group_id=group) for school in schools]
    await asyncio.gather(*(harness.receive(event) for event in events))
    await harness.run_permits()
    assert sorted(mail.recipient for mail in harness.mail.sent) == [ADA, "everybody@example.org"]
    assert len(harness.push.sent) == len(schools)
    rows = await harness.rows("SELECT reason, count(*) AS n FROM delivery WHERE channel = 'mail' GROUP BY 1 ORDER BY 1")
    assert rows == [{"reason": "same_address", "n": 6}, {"reason": None, "n": 2}]


async def test_a_refused_plan_leaves_its_addresses_to_other_schools(harness):
    """Its own text is missing, or lacks a variable: another school of the group sends to them."""
    # given
    schools = [await harness.add_school() for _ in range(2)]
    for school in schools:
        await harness.add_person(school, mails=(ADA,))
    group = uuid4()
    # when
    refused = await harness.plan(schools[0], channels=("mail",), group_id=group, title="", body="", template="nowhere")
    sent = await harness.plan(schools[1], channels=("mail",), group_id=group)
    await harness.run_permits()
    # then
    assert (await harness.task(refused))["state"] == "failed"
    assert await harness.states(sent) == {"mail": {"accepted": 1}}


async def test_only_the_dead_token_is_reported_as_invalidated(open_harness):
    harness = await open_harness(
        push=lambda push: Outcome("token_dead" if push.token == "dead" else "accepted", "gone")
    )
    school = await harness.add_school()
    person = await harness.add_person(school, tokens=("dead", "alive"))
    notification = await harness.plan(school, channels=("push",))
    await harness.run_permits()
    assert await harness.states(notification) == {"push": {"accepted": 1, "failed": 1}}
    (told_of,) = await harness.emitted("device.invalidated")
    (attempt,) = await harness.rows("SELECT started_at FROM attempt WHERE outcome = 'token_dead'")
    assert told_of["person_id"] == str(person)
    assert told_of["token_sha256"] == hashlib.sha256(b"dead").hexdigest()
    assert abs((attempt["started_at"] - dt.datetime.fromisoformat(told_of["attempted_at"])).total_seconds()) < 0.1


async def test_a_push_is_not_sent_to_a_token_that_another_person_registered(harness):
    school = await harness.add_school()
    ada = await harness.add_person(school, tokens=("a-phone",))
    bob = await harness.add_person(school)
    private = await harness.plan(school, people=(ada,), channels=("push",), title="For Ada")
    # when the phone changes hands before it is sent
    await harness.add_person(school, person_id=bob, tokens=("a-phone",), role="guardian")
    await harness.run_permits()
    assert harness.push.sent == []
    assert (await harness.states_with_reasons(private))["push", "a-phone"] == "address_gone"
    both = await harness.plan(school, channels=("push",))
    await harness.run_permits()
    assert [push.token for push in harness.push.sent] == ["a-phone"]
    rows = await harness.rows(
        "SELECT person_id FROM delivery WHERE notification_id = %s AND state = 'accepted'", (both,)
    )
    assert [row["person_id"] for row in rows] == [bob]


async def test_a_preview_counts_what_the_plan_then_writes(harness):
    school, _ = await school_of_ada(harness, tokens=("a", "b"), language="de")
    await harness.add_person(school, mails=("bob@example.org",), language="ar")
    nobody = await harness.add_person(school)
    no = Preference(kind="general", channel="push", wanted=False)
    await harness.add_person(school, tokens=("c",), preferences=(no,))
    body = {"audience": {"school": True}, "kind": "general", "channels": ["push", "mail"]}
    answer = await harness.http(school, "POST", "/v1/notifications:preview", json=body)
    assert answer.status_code == 200, answer.text
    seen = answer.json()
    assert seen["people"] == 4
    suppressed = {"no_address": 2, "opted_out": 1}
    assert seen["channels"]["push"] == {
        "deliveries": 2, "people": 1, "held": 0, "languages": {"de": 1}, "suppressed": suppressed,
    }  # fmt: skip
    assert seen["channels"]["mail"]["languages"] == {"de": 1, "ar": 1}
    assert seen["unreachable"] == 2
    assert str(nobody) in {each["person_id"] for each in seen["unreachable_people"]}
    assert await harness.rows("SELECT FROM delivery") == []
    # and so it is planned
    notification = await harness.plan(school, channels=("push", "mail"))
    states = await harness.states(notification)
    assert states["push"] == {"pending": 2, "suppressed": 3}
    assert states["mail"] == {"pending": 2, "suppressed": 2}


async def test_trust_5_a_removed_address_gets_a_mail_whatever_its_person_opted_out_of(harness):
    school = await harness.add_school(language="de")
    ada = await harness.add_person(school, mails=("new@example.org",), preferences=OPTED_OUT)
    intent = harness.intent(
        school,
        audience=Audience(people=(ada,)),
        channels=("mail",),
        origin=f"address:{uuid4()}",
        template="address_removed",
        variables={"addresses": "old@example.org\nolder@example.org"},
    )
    await harness.receive(intent)
    await harness.run_permits()
    assert sorted(mail.recipient for mail in harness.mail.sent) == ["old@example.org", "older@example.org"]
    (kept,) = await harness.rows("SELECT state, title, variables::text FROM notification")
    assert kept == {"state": "completed", "title": "Ihre Adresse bei Demo wurde entfernt", "variables": "{}"}
    # a template of that name from anybody else asks the directory
    await harness.plan(
        school, people=(ada,), channels=("mail",), template="address_removed", variables=intent.variables
    )
    await harness.run_permits()
    assert len(harness.mail.sent) == 2

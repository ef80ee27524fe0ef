"""Whom nobody writes to any more: bounces, complaints, one-click unsubscribes; and dead tokens."""

import asyncio
import datetime as dt
import hashlib
import re
from email import message_from_bytes
from uuid import uuid4

import pytest

from notifier.providers import Outcome
from shared.events.directory import Preference

ADA = "Ada@example.org"


def gone(reason="smtp_550_5.1.1"):
    return lambda _: Outcome("bounced", reason)


async def school_of_ada(house, **changes):
    school = await house.add_school()
    return school, await house.add_person(school, mails=(ADA,), **changes)


async def told(house, school, **changes):
    notification = await house.ask(school, **({"channels": ("mail",)} | changes))
    await house.work()
    return (await house.states_with_reasons(notification))["mail", ADA]


async def test_a_mailbox_that_is_certainly_gone_is_written_to_once(open_house):
    house = await open_house(mail=gone())
    school, _ = await school_of_ada(house)
    assert await told(house, school) == "smtp_550_5.1.1"
    assert await told(house, school) == "bounced"
    assert await told(house, school, kind="safety") == "bounced"
    # when somebody knows better
    (listed,) = (await house.http(school, "GET", "/v1/suppressions")).json()["items"]
    assert (listed["target"], listed["reason"], listed["detail"]) == (ADA.lower(), "bounced", "smtp_550_5.1.1")
    answer = await house.http(school, "DELETE", f"/v1/suppressions/{listed['suppression_id']}")
    assert answer.status_code == 204
    assert await told(house, school) == "smtp_550_5.1.1"


async def test_an_uncertain_bounce_has_to_come_three_times(open_house):
    house = await open_house(mail=gone("smtp_550"))
    school, _ = await school_of_ada(house)
    assert [await told(house, school) for _ in range(4)] == ["smtp_550"] * 3 + ["bounced"]


async def test_a_complaint_stops_everything_but_safety(house):
    school, _ = await school_of_ada(house)
    body = {"address": ADA, "reason": "complained"}
    assert (await house.http(school, "POST", "/v1/suppressions", json=body)).status_code == 201
    assert await told(house, school) == "complained"
    assert await told(house, school, kind="safety") == "accepted"


async def test_suppressions_are_of_one_school(house):
    school, _ = await school_of_ada(house)
    other = await house.add_school()
    made = await house.http(school, "POST", "/v1/suppressions", json={"address": ADA, "reason": "bounced"})
    assert (await house.http(other, "GET", "/v1/suppressions")).json()["items"] == []
    path = f"/v1/suppressions/{made.json()['suppression_id']}"
    assert (await house.http(other, "DELETE", path)).status_code == 404


async def link(house, school, **changes):
    await told(house, school, **changes)
    mail = message_from_bytes(house.mail.sent[-1].content)
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    return re.fullmatch(r"<https://.*/unsubscribe/(.*)>", mail["List-Unsubscribe"])[1]


async def test_one_click_unsubscribes_from_one_kind(house):
    school, _ = await school_of_ada(house)
    token = await link(house, school, kind="payment")
    assert (await house.http(school, "POST", "/v1/unsubscribe", json={"token": token})).status_code == 204
    assert await told(house, school, kind="payment") == "unsubscribed"
    assert await told(house, school, kind="general") == "accepted"


async def test_unsubscribed_between_plan_and_send_is_not_sent(house):
    school, _ = await school_of_ada(house)
    token = await link(house, school)
    notification = await house.ask(school, channels=("mail",))
    await house.http(school, "POST", "/v1/unsubscribe", json={"token": token})
    await house.work()
    assert (await house.states_with_reasons(notification))["mail", ADA] == "unsubscribed"


async def test_a_link_that_is_not_ours_changes_nothing(house):
    school, _ = await school_of_ada(house)
    token = await link(house, school)
    forged = [token[:-1] + ("0" if token[-1] != "0" else "1"), token.replace("general", "payment"), "x", "a.b.c.d", ""]
    for each in forged:
        assert (await house.http(school, "POST", "/v1/unsubscribe", json={"token": each})).status_code == 404
    other = await house.add_school()
    assert (await house.http(other, "POST", "/v1/unsubscribe", json={"token": token})).status_code == 404
    assert await told(house, school) == "accepted"


async def test_a_safety_mail_offers_no_way_out(house):
    school, _ = await school_of_ada(house)
    await told(house, school, kind="safety")
    assert message_from_bytes(house.mail.sent[-1].content)["List-Unsubscribe"] is None


@pytest.mark.parametrize(("kind", "expected"), [("general", "opted_out"), ("safety", "accepted")])
async def test_opted_out_between_plan_and_send_is_not_sent(house, kind, expected):
    school, person = await school_of_ada(house)
    notification = await house.ask(school, channels=("mail",), kind=kind)
    no = Preference(kind=kind, channel="mail", wanted=False)
    await house.add_person(school, person_id=person, mails=(ADA,), preferences=(no,))
    await house.work()
    assert (await house.states_with_reasons(notification))["mail", ADA] == expected
    assert await told(house, school, kind=kind) == expected


async def test_a_group_tells_an_address_once_even_at_the_same_moment(house):
    schools = [await house.add_school() for _ in range(4)]
    for school in schools:
        await house.add_person(school, mails=(ADA,))
        await house.add_person(school, mails=("everybody@example.org",), tokens=(f"token-{school}",))
    group = uuid4()
    events = [house.request(school, channels=("mail", "push"), group_id=group) for school in schools]
    await asyncio.gather(*(house.receive(event) for event in events))
    await house.work()
    assert sorted(mail.recipient for mail in house.mail.sent) == [ADA, "everybody@example.org"]
    assert len(house.push.sent) == len(schools)
    rows = await house.rows("SELECT reason, count(*) AS n FROM delivery WHERE channel = 'mail' GROUP BY 1 ORDER BY 1")
    assert rows == [{"reason": "same_address", "n": 6}, {"reason": None, "n": 2}]


async def test_a_school_that_cannot_say_it_takes_no_address_from_the_others(house):
    """Its own words for it are gone, or lack a variable: another school of the group tells them then."""
    # given
    schools = [await house.add_school() for _ in range(2)]
    for school in schools:
        await house.add_person(school, mails=(ADA,))
    group = uuid4()
    # when
    refused = await house.ask(schools[0], channels=("mail",), group_id=group, title="", body="", template="nowhere")
    sent = await house.ask(schools[1], channels=("mail",), group_id=group)
    await house.work()
    # then
    assert (await house.task(refused))["state"] == "failed"
    assert await house.states(sent) == {"mail": {"accepted": 1}}


async def test_a_dead_token_is_told_of_and_no_other(open_house):
    house = await open_house(push=lambda push: Outcome("token_dead" if push.token == "dead" else "accepted", "gone"))
    school = await house.add_school()
    person = await house.add_person(school, tokens=("dead", "alive"))
    notification = await house.ask(school, channels=("push",))
    await house.work()
    assert await house.states(notification) == {"push": {"accepted": 1, "failed": 1}}
    (told_of,) = await house.emitted("device.invalidated")
    (attempt,) = await house.rows("SELECT started_at FROM attempt WHERE outcome = 'token_dead'")
    assert told_of["person_id"] == str(person)
    assert told_of["token_sha256"] == hashlib.sha256(b"dead").hexdigest()
    assert abs((attempt["started_at"] - dt.datetime.fromisoformat(told_of["attempted_at"])).total_seconds()) < 0.1


async def test_a_token_that_somebody_else_registered_never_shows_the_first_ones_push(house):
    school = await house.add_school()
    ada = await house.add_person(school, tokens=("a-phone",))
    bob = await house.add_person(school)
    private = await house.ask(school, people=(ada,), channels=("push",), title="For Ada")
    # when the phone changes hands before it is sent
    await house.add_person(school, person_id=bob, tokens=("a-phone",), role="guardian")
    await house.work()
    assert house.push.sent == []
    assert (await house.states_with_reasons(private))["push", "a-phone"] == "address_gone"
    both = await house.ask(school, channels=("push",))
    await house.work()
    assert [push.token for push in house.push.sent] == ["a-phone"]
    rows = await house.rows("SELECT person_id FROM delivery WHERE notification_id = %s AND state = 'accepted'", (both,))
    assert [row["person_id"] for row in rows] == [bob]


async def test_a_preview_says_what_the_plan_then_does(house):
    school, _ = await school_of_ada(house, tokens=("a", "b"), language="de")
    await house.add_person(school, mails=("bob@example.org",), language="ar")
    nobody = await house.add_person(school)
    no = Preference(kind="general", channel="push", wanted=False)
    await house.add_person(school, tokens=("c",), preferences=(no,))
    body = {"audience": {"school": True}, "kind": "general", "channels": ["push", "mail"]}
    answer = await house.http(school, "POST", "/v1/notifications:preview", json=body)
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
    assert await house.rows("SELECT FROM delivery") == []
    # and so it is planned
    notification = await house.ask(school, channels=("push", "mail"))
    states = await house.states(notification)
    assert states["push"] == {"pending": 2, "suppressed": 3}
    assert states["mail"] == {"pending": 2, "suppressed": 2}

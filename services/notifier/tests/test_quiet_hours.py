"""Quiet hours hold deliveries: they are sent in the morning, once, and never earlier."""

import datetime as dt
from zoneinfo import ZoneInfo

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifier.providers import Outcome
from shared.events.directory import Preference, QuietHours

MORNING = "UPDATE delivery SET due_at = clock_timestamp() WHERE state = 'held'"
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kathmandu")
HOUR = dt.timedelta(hours=1)


def now_quiet():
    """Quiet hours around this moment, in UTC."""
    now = dt.datetime.now(dt.UTC)
    return QuietHours(starts=(now - 2 * HOUR).time(), ends=(now + 2 * HOUR).time())


def around_changes():
    """Moments of two years, most of them within a day of a change of clocks."""
    days = ((3, 29), (10, 25), (3, 8), (11, 1), (4, 24), (10, 4))
    changes = [dt.datetime(year, month, day, 2, tzinfo=dt.UTC) for year in (2026, 2027) for month, day in days]
    return st.builds(
        lambda base, minutes: base + dt.timedelta(minutes=minutes), st.sampled_from(changes), st.integers(-1500, 1500)
    )


@pytest.fixture(scope="module")
def database(notifier_backing):
    with psycopg.connect(notifier_backing.admin_url, autocommit=True) as connection:
        connection.execute("SET search_path = notifier")
        yield connection


def quiet(local, starts, ends):
    return starts <= local < ends if starts < ends else local >= starts or local < ends


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    at=around_changes(),
    zone=st.sampled_from(ZONES),
    starts=st.times().map(lambda t: t.replace(second=0, microsecond=0)),
    ends=st.times().map(lambda t: t.replace(second=0, microsecond=0)),
    digest=st.times().map(lambda t: t.replace(second=0, microsecond=0)),
)
def test_quiet_hours_never_release_early_and_always_end_across_clock_changes(database, at, zone, starts, ends, digest):
    query = "SELECT quiet_until(%s, %s, %s, %s, %s)"
    (until,) = database.execute(query, (at, zone, starts, ends, digest)).fetchone()
    local = at.astimezone(ZoneInfo(zone)).time()
    if not quiet(local, starts, ends):
        assert until is None
        return
    # then: it comes, later, within two days, and then it is no longer quiet
    assert at < until <= at + dt.timedelta(days=2, hours=1)
    told = until.astimezone(ZoneInfo(zone)).time()
    assert starts == ends or not quiet(told, starts, ends)
    # and neither before the end of quiet hours nor, where it is later, before the digest of that day
    past = until - dt.timedelta(seconds=1)
    waited = past.astimezone(ZoneInfo(zone)).time()
    on_time = {ends, digest}
    assert told in on_time or starts == ends or quiet(waited, starts, ends) or local_gap(until, zone)


def local_gap(moment, zone):
    """Whether the clocks were put forward or back within a day before a moment."""
    where = ZoneInfo(zone)
    return moment.astimezone(where).utcoffset() != (moment - dt.timedelta(days=2)).astimezone(where).utcoffset()


async def test_an_unknown_time_zone_is_read_as_utc(harness):
    at = dt.datetime(2026, 1, 1, 23, tzinfo=dt.UTC)
    query = "SELECT quiet_until(%s, 'Nowhere/At_All', '22:00', '06:00', '07:00') AS until"
    assert (await harness.rows(query, (at,)))[0]["until"] == dt.datetime(2026, 1, 2, 7, tzinfo=dt.UTC)


async def test_held_items_become_one_digest_per_person_and_channel(harness):
    school = await harness.add_school(quiet=now_quiet(), name="Hill School")
    await harness.add_person(school, mails=("ada@example.org",), tokens=("a-token",))
    await harness.add_person(
        school, mails=("bob@example.org",), quiet=QuietHours(starts=dt.time(0), ends=dt.time(0, 1))
    )
    # when
    notifications = [await harness.plan(school, title=f"Title {n}", body=f"Text {n}.") for n in range(3)]
    await harness.run_permits()
    # then: only the one whose own hours are not quiet has been told
    assert [mail.recipient for mail in harness.mail.sent] == ["bob@example.org"] * 3
    assert await harness.states(notifications[0]) == {
        "push": {"held": 1, "suppressed": 1}, "mail": {"held": 1, "accepted": 1}, "inbox": {"accepted": 2},
    }  # fmt: skip
    # when the morning has come
    await harness.execute(MORNING)
    await harness.run_permits()
    # then
    (push,) = harness.push.sent
    assert all(f"Title {n}" in push.body for n in range(3))
    (mail,) = [each for each in harness.mail.sent if each.recipient == "ada@example.org"]
    assert all(f"Text {n}." in mail.content.decode() for n in range(3))
    for notification in notifications:
        states = await harness.states(notification)
        assert states["mail"] == {"accepted": 2}
        assert states["push"] == {"accepted": 1, "suppressed": 1}
    assert len(await harness.emitted("notification.completed")) == 3


async def test_a_single_held_item_is_sent_as_itself(harness):
    school = await harness.add_school(quiet=now_quiet())
    await harness.add_person(school, mails=("ada@example.org",))
    notification = await harness.plan(school, channels=("mail",), title="Trip")
    await harness.execute(MORNING)
    await harness.run_permits()
    assert await harness.states(notification) == {"mail": {"accepted": 1}}
    assert "Subject: Trip" in harness.mail.sent[0].content.decode()


@pytest.mark.parametrize("passing", [{"kind": "safety"}, {"urgent": True}])
async def test_safety_and_urgent_pass_quiet_hours(harness, passing):
    school = await harness.add_school(quiet=now_quiet())
    await harness.add_person(school, mails=("ada@example.org",))
    notification = await harness.plan(school, channels=("mail",), **passing)
    await harness.run_permits()
    assert await harness.states(notification) == {"mail": {"accepted": 1}}


async def test_an_item_that_expires_while_held_has_that_reason(harness):
    school = await harness.add_school(quiet=now_quiet())
    await harness.add_person(school, mails=("ada@example.org",))
    notification = await harness.plan(school, channels=("mail",), expires_at=dt.datetime.now(dt.UTC) + HOUR)
    await harness.execute("UPDATE notification SET expires_at = clock_timestamp()")
    await harness.run_permits()
    (row,) = await harness.rows("SELECT state, reason FROM delivery WHERE notification_id = %s", (notification,))
    assert row == {"state": "expired", "reason": "expired_while_held"}
    assert harness.mail.sent == []
    assert (await harness.emitted("notification.completed"))[0]["counts"] == {"mail": {"expired": 1}}


async def test_a_retry_that_is_due_in_quiet_hours_is_held(open_harness):
    harness = await open_harness()
    school = await harness.add_school()
    person = await harness.add_person(school, mails=("ada@example.org",))
    notification = await harness.plan(school, channels=("mail",))
    # when: night falls between plan and send
    await harness.add_person(school, person_id=person, mails=("ada@example.org",), quiet=now_quiet())
    await harness.run_permits()
    assert await harness.states(notification) == {"mail": {"held": 1}}
    await harness.execute(MORNING)
    await harness.run_permits()
    assert await harness.states(notification) == {"mail": {"accepted": 1}}


async def test_an_item_that_is_no_longer_wanted_is_left_out_of_its_digest(harness):
    school = await harness.add_school(quiet=now_quiet())
    person = await harness.add_person(school, mails=("ada@example.org",))
    kept = await harness.plan(school, channels=("mail",), title="Kept")
    payment = await harness.plan(school, channels=("mail",), kind="payment", title="Dropped")
    no = Preference(kind="payment", channel="mail", wanted=False)
    await harness.add_person(school, person_id=person, mails=("ada@example.org",), preferences=(no,), quiet=now_quiet())
    await harness.execute(MORNING)
    await harness.run_permits()
    (mail,) = harness.mail.sent
    assert "Dropped" not in mail.content.decode()
    assert await harness.states(kept) == {"mail": {"accepted": 1}}
    assert await harness.states(payment) == {"mail": {"suppressed": 1}}


async def test_a_failed_digest_is_retried_as_a_whole(open_harness):
    answers = iter(["transient"])
    harness = await open_harness(mail=lambda _: Outcome(next(answers, "accepted"), "later"))
    school = await harness.add_school(quiet=now_quiet())
    await harness.add_person(school, mails=("ada@example.org",))
    notifications = [await harness.plan(school, channels=("mail",)) for _ in range(2)]
    await harness.execute(MORNING)
    await harness.run_to_end()
    first, second = harness.mail.sent
    assert first.content == second.content
    assert [await harness.states(each) for each in notifications] == [{"mail": {"accepted": 1}}] * 2


async def test_trust_10_a_held_item_of_a_school_that_is_not_active_is_not_sent(client):
    await client.set_school(quiet=now_quiet(), timezone="UTC", active=True)
    sent = await client.plan({"people": (await client.add_person(),)}, channels=("mail",))
    assert set((await client.deliveries(sent)).values()) == {"quiet_hours"}
    await client.set_school(quiet=None, timezone="UTC", active=False)
    await client.harness.execute(MORNING)
    await client.harness.run_permits()
    assert client.harness.mail.sent == []
    assert set((await client.deliveries(sent)).values()) == {"school_inactive"}
    assert await client.state(sent) == "completed"


async def test_trust_10_a_digest_of_a_school_that_is_not_active_is_not_sent(client):
    await client.set_school(quiet=now_quiet(), timezone="UTC")
    person = await client.add_person()
    sends = [await client.plan({"people": (person,)}, channels=("mail",)) for _ in range(2)]
    await client.set_school(quiet=None, timezone="UTC", active=False)
    await client.harness.execute(MORNING)
    await client.harness.run_permits()
    assert client.harness.mail.sent == []
    for sent in sends:
        assert set((await client.deliveries(sent)).values()) == {"school_inactive"}


async def test_trust_10_a_held_item_asks_for_its_schools_zone_when_it_is_due(client):
    """Quiet hours are over in the zone that it was held in, and not in the zone that the school has by then."""
    now = dt.datetime.now(dt.UTC)
    quiet = QuietHours(starts=(now - HOUR).time(), ends=(now + HOUR).time())
    await client.set_school(quiet=quiet, timezone="UTC")
    sent = await client.plan({"people": (await client.add_person(),)}, channels=("mail",))
    # given a school whose local time is 8 hours earlier; its quiet hours hold there, around this moment
    there = QuietHours(starts=(now - 9 * HOUR).time(), ends=(now - 7 * HOUR).time())
    await client.set_school(quiet=there, timezone="Etc/GMT+8")
    await client.harness.execute(MORNING)
    await client.harness.run_permits()
    assert client.harness.mail.sent == []
    rows = await client.harness.rows(
        "SELECT state, held_zone, due_at > clock_timestamp() + interval '50 minutes' AS later FROM delivery "
        "WHERE notification_id = %s",
        (sent,),
    )
    assert rows == [{"state": "held", "held_zone": "Etc/GMT+8", "later": True}]


async def test_trust_10_a_due_send_of_a_school_that_is_not_active_ends_with_the_reason(client):
    person = await client.add_person()
    await client.set_school(active=False)
    sent = await client.plan({"people": (person,)}, channels=("mail", "inbox"))
    assert await client.state(sent) == "failed"
    assert (await client.harness.task(sent))["error"] == "it was not sent: the school is not active"

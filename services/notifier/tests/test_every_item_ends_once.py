"""Nights, clock changes, digests, expiries, moody providers and changed minds, in any order: every item ends, once.

It ends sent (by itself or in one digest), expired, stopped or not wanted any more, each with its reason; it is never
sent before its time, in a person's quiet hours, after its expiry, or again under another identity.
"""

import datetime as dt
import os
from dataclasses import dataclass, field
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from notifier.planning.cancellation import cancel_notification
from services.notifier.tests.clock_harness import ClockHarness, Quiet
from services.notifier.tests.harness import EMPTY
from shared.events import Audience
from shared.events.directory import QuietHours

EXAMPLES = int(os.environ.get("EXAMPLES", "0"))
"""More by hand: EXAMPLES=500 with --hypothesis-seed; else the same few each time."""
PHASES = (Phase.generate,) if os.environ.get("NOSHRINK") else tuple(Phase)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kathmandu")
CHANGES = ((3, 28), (10, 24), (3, 7), (10, 31), (4, 23), (10, 3), (6, 1))
TIMES = st.times().map(lambda t: t.replace(second=0, microsecond=0, fold=0))
NIGHTS = st.one_of(st.none(), st.tuples(TIMES, TIMES), st.tuples(TIMES, TIMES), TIMES.map(lambda t: (t, t)))
MOODS = ("accepted", "transient", "throttled", "unknown", "config")
ROWS = """
SELECT d.delivery_id, d.notification_id, d.person_id, d.channel, d.state, d.reason, d.due_at, d.silent, n.expires_at
FROM delivery d JOIN notification n USING (notification_id)
"""


@dataclass
class Item:
    """One notification for one person on one channel, as the test sees it."""

    number: int
    passes: bool
    expires: dt.datetime | None
    earliest: dt.datetime
    freed: dt.datetime | None = None
    group: int | None = None
    sent: int | None = None
    maybe: str | None = None
    state: str = "pending"


@dataclass
class Person:
    person_id: UUID
    addresses: dict[str, str]
    quiet: Quiet
    unwanted: set = field(default_factory=set)


class Story(RuleBasedStateMachine):
    """`clock` is the same for all stories: its tables are emptied."""

    clock: ClockHarness

    @initialize(
        where=st.sampled_from(ZONES),
        begins=st.sampled_from(CHANGES),
        minutes=st.integers(0, 2 * 1440),
        digest=TIMES,
        night=NIGHTS,
        people=st.lists(st.tuples(NIGHTS, st.sampled_from((None, *ZONES))), min_size=1, max_size=3),
    )
    def school(self, where, begins, minutes, digest, night, people):
        work = self.clock
        work.admin.execute(EMPTY)
        work.calls.clear()
        work.moods.clear()
        work.numbers.clear()
        self.items, self.seen, self.steps, self.notices = {}, 0, 0, []
        work.turn_to(dt.datetime(2027, *begins, tzinfo=dt.UTC) + dt.timedelta(minutes=minutes))
        harness = work.harness
        self.where, self.night, self.digest = where, night, digest
        self.school_id = work.do(harness.add_school(timezone=where, digest_at=digest, quiet=hours(night)))
        self.people = {}
        for n, (own, zone) in enumerate(people):
            addresses = {"push": f"t{n}", "mail": f"p{n}@example.org"}
            person = work.do(
                harness.add_person(
                    self.school_id,
                    tokens=(addresses["push"],),
                    mails=(addresses["mail"],),
                    quiet=hours(own),
                    timezone=zone,
                )
            )
            self.people[person] = Person(person, addresses, self._quiet(own, zone))

    def _quiet(self, own, zone):
        starts, ends = own or self.night or (None, None)
        return Quiet(zone or self.where, starts, ends, self.digest)

    @rule(
        kind=st.sampled_from(("general", "general", "payment", "safety")),
        channels=st.sampled_from((("push",), ("mail",), ("push", "mail"))),
        urgent=st.sampled_from((False, False, False, True)),
        life=st.one_of(st.none(), st.integers(-5, 3000)),
    )
    def plan(self, kind, channels, urgent, life):
        work = self.clock
        number, now = len(self.notices), work.now()
        expires = None if life is None else now + dt.timedelta(minutes=life)
        request = work.harness.intent(
            self.school_id, kind=kind, channels=channels, urgent=urgent, expires_at=expires,
            title=f"Item-{number}-", audience=Audience(people=tuple(self.people)),
        )  # fmt: skip
        work.numbers[str(request.notification_id)] = number
        self.notices.append(request)
        work.do(work.harness.receive(request))
        passes = urgent or kind == "safety"
        for person in self.people.values():
            for channel in channels:
                earliest = now if passes else person.quiet.earliest(now)
                self.items[request.notification_id, person.person_id, channel] = Item(number, passes, expires, earliest)
        self.look()

    @precondition(lambda self: self.notices)
    @rule(minutes=st.one_of(st.integers(1, 60), st.integers(60, 1000), st.integers(1000, 3000)))
    def later(self, minutes):
        self.clock.turn_to(self.clock.now() + dt.timedelta(minutes=minutes))
        self.work()

    @rule()
    def work(self):
        work = self.clock
        self.steps += 1
        for row in self.rows():
            item = self.item(row)
            if row["state"] == "held" and row["due_at"] <= work.now():
                item.freed = row["due_at"]
                item.group = self.steps
        healthy = not work.moods
        work.work()
        self.judge_calls()
        self.look()
        if healthy:
            late = [row for row in self.rows() if row["state"] in ("pending", "held") and row["due_at"] <= work.now()]
            assert late == [], "due, and nothing was done about it"

    @rule(person=st.integers(0, 2), night=NIGHTS, zone=st.sampled_from((None, *ZONES)))
    def other_nights(self, person, night, zone):
        who = list(self.people.values())[person % len(self.people)]
        starts, ends = night or (None, None)
        query = "UPDATE person SET quiet_starts = %s, quiet_ends = %s, timezone = %s WHERE person_id = %s"
        self.clock.admin.execute(query, (starts, ends, zone, who.person_id))
        who.quiet = self._quiet(night, zone)

    @rule(person=st.integers(0, 2), channel=st.sampled_from(("push", "mail")))
    def no_more_payments(self, person, channel):
        who = list(self.people.values())[person % len(self.people)]
        query = "INSERT INTO preference VALUES (%s, 'payment', %s, false) ON CONFLICT DO NOTHING"
        self.clock.admin.execute(query, (who.person_id, channel))
        who.unwanted.add(channel)

    @precondition(lambda self: self.notices)
    @rule(which=st.integers(0, 50))
    def stop(self, which):
        request = self.notices[which % len(self.notices)]

        async def stop_now():
            async with self.clock.harness.service.transactions.begin() as tx:
                await cancel_notification(tx, request.notification_id, self.school_id)

        self.clock.do(stop_now())
        self.look()

    @rule(moods=st.lists(st.sampled_from(MOODS), min_size=1, max_size=6))
    def moody(self, moods):
        self.clock.moods = list(moods)

    def rows(self):
        return self.clock.do(self.clock.harness.rows(ROWS))

    def item(self, row):
        return self.items[row["notification_id"], row["person_id"], row["channel"]]

    def judge_calls(self):
        """Everything that providers were handed since the last time."""
        calls = self.clock.calls
        for nth in range(self.seen, len(calls)):
            call = calls[nth]
            (who,) = (each for each in self.people.values() if each.addresses[call.channel] == call.address)
            for number in call.items:
                item = self.items[self.notices[number].notification_id, who.person_id, call.channel]
                assert item.sent is None, "sent twice"
                assert item.maybe in (None, call.identity), "a repeat that does not replace what may have arrived"
                assert call.at >= item.earliest, "before its time"
                assert item.expires is None or call.at < item.expires + dt.timedelta(seconds=1), "after its expiry"
                let_go = item.freed is not None and call.at - item.freed <= HOUR
                assert item.passes or let_go or not who.quiet.at(call.at), "in the night"
                if call.answer == "unknown":
                    item.maybe = call.identity
                if call.answer == "accepted":
                    item.sent = nth
        self.seen = len(calls)
        together = {}
        for (_, person, channel), item in self.items.items():
            if item.sent is not None and item.group is not None and item.maybe is None:
                together.setdefault((person, channel, item.group), set()).add(item.sent)
        assert all(len(each) == 1 for each in together.values()), "one night, several digests"

    def look(self):
        """What the database says now: nothing is early, and what ended did so for its reason."""
        now = self.clock.now()
        for row in self.rows():
            item = self.item(row)
            who = self.people[row["person_id"]]
            if row["state"] == "held" and (item.state != "held" or item.freed is not None):
                item.earliest, item.freed, item.group = (
                    who.quiet.earliest(now - 5 * dt.timedelta(seconds=1)),
                    None,
                    None,
                )
                assert not item.passes
                assert item.earliest <= row["due_at"] <= now + 2 * DAY + HOUR
            if row["state"] == "expired":
                assert item.expires is not None
                assert item.expires <= now
                assert row["reason"] == ("expired_while_held" if item.state == "held" else "expired")
            assert (row["state"] == "accepted") == (item.sent is not None)
            item.state = item.state if row["state"] == "expired" else row["state"]

    def teardown(self):
        """Without further events every item ends: nothing lasts for ever."""
        if not getattr(self, "items", None):
            return
        work = self.clock
        work.moods.clear()
        for _ in range(20):
            self.work()
            waiting = [row["due_at"] for row in self.rows() if row["state"] in ("pending", "held")]
            if not waiting:
                break
            work.turn_to(max(min(waiting), work.now()) + dt.timedelta(seconds=1))
        rows = self.rows()
        assert len(rows) == len(self.items)
        for row in rows:
            assert row["state"] in ("accepted", "expired", "cancelled", "suppressed"), row
            if row["state"] == "suppressed":
                assert row["reason"] == "opted_out"
                assert row["channel"] in self.people[row["person_id"]].unwanted
        for before, after in pairwise(work.calls):
            assert before.at <= after.at


def hours(night):
    return QuietHours(starts=night[0], ends=night[1]) if night else None


@pytest.mark.timeout(0 if EXAMPLES else 180)
def test_every_item_ends_once_and_never_early(notifier_backing):
    clock = ClockHarness(notifier_backing)
    clock.open()
    try:
        run_state_machine_as_test(
            type("Told", (Story,), {"clock": clock}),
            settings=settings(
                max_examples=EXAMPLES or 12,
                stateful_step_count=12,
                derandomize=not EXAMPLES,
                phases=PHASES,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        clock.close()

"""Deliveries follow the table of transitions, in the code and in the database, in any order of events."""

import asyncio
import itertools
from uuid import uuid4

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifier import handlers
from notifier.domain.delivery import FINAL_STATES, INITIAL_STATES, TRANSITIONS
from notifier.planning.cancellation import cancel_notification
from notifier.providers import Outcome
from services.notifier.tests.harness import NotifierHarness

ANSWERS = ("accepted", "transient", "throttled", "permanent", "bounced", "config", "unknown")
STEPS = ("work", "due", "cancel", "expire", "lose_lease", "opt_out", "morning", "night", "resend")
PUT = """
INSERT INTO delivery (notification_id, school_id, person_id, channel, address, state, lease, leased_until)
VALUES (%(notification)s, %(school)s, gen_random_uuid(), 'mail', 'a@example.org', %(state)s, %(lease)s, now())
RETURNING delivery_id
"""
MOVE = "UPDATE delivery SET state = %s, lease = %s WHERE delivery_id = %s"
JOURNAL = """
CREATE TABLE IF NOT EXISTS notifier.move (was text NOT NULL, became text NOT NULL);
TRUNCATE notifier.move;
CREATE OR REPLACE FUNCTION notifier.note_move() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN INSERT INTO notifier.move VALUES (OLD.state, NEW.state); RETURN NULL; END $$;
CREATE OR REPLACE TRIGGER note_move AFTER UPDATE OF state ON notifier.delivery FOR EACH ROW
WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION notifier.note_move()
"""


def lease(state):
    return uuid4() if state == "sending" else None


@pytest.fixture
def admin(notifier_backing):
    with psycopg.connect(notifier_backing.admin_url, autocommit=True) as connection:
        connection.execute("SET search_path = notifier")
        yield connection


async def test_the_database_allows_only_the_transitions_of_the_table(harness, admin):
    school = await harness.add_school()
    notification = await harness.plan(school)
    values = {"notification": notification, "school": school}
    allowed, begun, refused_by = set(), set(), set()
    for state in TRANSITIONS:
        try:
            admin.execute(PUT, values | {"state": state, "lease": lease(state)})
            begun.add(state)
        except psycopg.errors.CheckViolation as refusal:
            refused_by.add(refusal.diag.constraint_name)
    assert begun == INITIAL_STATES
    for was, becomes in itertools.permutations(TRANSITIONS, 2):
        admin.execute("ALTER TABLE delivery DISABLE TRIGGER USER")
        (row,) = admin.execute(PUT, values | {"state": was, "lease": lease(was)}).fetchone()
        admin.execute("ALTER TABLE delivery ENABLE TRIGGER USER")
        try:
            admin.execute(MOVE, (becomes, lease(becomes), row))
            allowed.add((was, becomes))
        except psycopg.errors.CheckViolation as refusal:
            refused_by.add(refusal.diag.constraint_name)
    assert refused_by == {"ck_delivery_moves"}
    assert allowed == {(was, becomes) for was, onward in TRANSITIONS.items() for becomes in onward}


async def take(harness, step, school, person, notification):
    """One thing that may happen to a notification at any moment."""
    transactions = harness.service.transactions
    if step == "work":
        await harness.run_permits()
    elif step == "due":
        await harness.execute("UPDATE delivery SET due_at = clock_timestamp() WHERE state = 'pending'")
    elif step == "morning":
        await harness.execute("UPDATE delivery SET due_at = clock_timestamp() WHERE state = 'held'")
    elif step == "cancel":
        async with transactions.begin() as tx:
            await cancel_notification(tx, notification, school)
    elif step == "expire":
        await harness.execute("UPDATE notification SET expires_at = clock_timestamp()")
    elif step == "lose_lease":
        await harness.execute("UPDATE delivery SET leased_until = clock_timestamp() WHERE state = 'sending'")
        await handlers.tend(transactions, 60)
    elif step == "night":
        await harness.execute("UPDATE person SET quiet_starts = '00:00', quiet_ends = '00:00'")
    elif step == "opt_out":
        query = "INSERT INTO preference VALUES (%s, 'general', 'mail', false) ON CONFLICT DO NOTHING"
        await harness.execute(query, (person,))
    else:
        body = {"task_id": str(uuid4())}
        await harness.http(school, "POST", f"/v1/notifications/{notification}/resend", json=body)


async def story(open_harness, answers, steps, night):
    """A notification to three people, its providers' answers, and what happens meanwhile."""
    told = itertools.cycle(answers)
    harness = await open_harness(mail=lambda _: Outcome(next(told), "why"), push=lambda _: Outcome(next(told), "why"))
    school = await harness.add_school()
    people = [await harness.add_person(school, mails=(f"p{n}@example.org",), tokens=(f"t{n}",)) for n in range(3)]
    if night:
        await take(harness, "night", school, people[0], None)
    notification = await harness.plan(school)
    for step in steps:
        await take(harness, step, school, people[0], notification)
    return harness, school, notification


@pytest.mark.timeout(180)
def test_deliveries_follow_the_transitions_and_counts_add_up_in_any_story(notifier_backing, admin):
    admin.execute(JOURNAL)

    @settings(max_examples=25)
    @given(
        answers=st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=6),
        steps=st.lists(st.sampled_from(STEPS), max_size=8),
        night=st.booleans(),
    )
    def any_story(answers, steps, night):
        asyncio.run(told(answers, steps, night))

    async def told(answers, steps, night):
        harnesses = []

        async def open_harness(**changes):
            harness = NotifierHarness.of(notifier_backing, **changes)
            harnesses.append(harness)
            await harness.service.database.open()
            return harness

        try:
            harness, school, notification = await story(open_harness, answers, steps, night)
            # whatever happened: every row has ended, waits for something, or is stopped now
            (row,) = await harness.rows("SELECT * FROM notification WHERE notification_id = %s", (notification,))
            states = [state for counts in (await harness.states(notification)).values() for state in counts.items()]
            assert row["planned"] == sum(n for _, n in states)
            assert row["outstanding"] == sum(n for state, n in states if state not in FINAL_STATES)
            async with harness.service.transactions.begin() as tx:
                await cancel_notification(tx, notification, school)
            await harness.run_permits()
            (row,) = await harness.rows("SELECT * FROM notification WHERE notification_id = %s", (notification,))
            assert (row["outstanding"], row["state"]) in ((0, "completed"), (0, "cancelled"))
            moves = {(move["was"], move["became"]) for move in await harness.rows("SELECT DISTINCT * FROM move")}
            assert moves <= {(was, becomes) for was, onward in TRANSITIONS.items() for becomes in onward}
        finally:
            for harness in harnesses:
                await harness.service.database.close()

    admin.execute("GRANT SELECT ON move TO PUBLIC")
    try:
        any_story()
    finally:
        admin.execute("DROP TRIGGER note_move ON delivery")

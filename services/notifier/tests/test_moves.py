"""The machine never leaves its table: not in the code, not in the database, whatever happens in whatever order."""

import asyncio
import itertools
from uuid import uuid4

import psycopg
import pytest
from house import House
from hypothesis import given, settings
from hypothesis import strategies as st

from notifier import handlers
from notifier.domain.delivery import FINAL, MOVES, STARTS
from notifier.planning import cancel
from notifier.providers import Outcome

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


async def test_the_database_allows_just_the_moves_of_the_table(house, admin):
    school = await house.add_school()
    notification = await house.ask(school)
    values = {"notification": notification, "school": school}
    allowed, begun, refused_by = set(), set(), set()
    for state in MOVES:
        try:
            admin.execute(PUT, values | {"state": state, "lease": lease(state)})
            begun.add(state)
        except psycopg.errors.CheckViolation as refusal:
            refused_by.add(refusal.diag.constraint_name)
    assert begun == STARTS
    for was, becomes in itertools.permutations(MOVES, 2):
        admin.execute("ALTER TABLE delivery DISABLE TRIGGER USER")
        (row,) = admin.execute(PUT, values | {"state": was, "lease": lease(was)}).fetchone()
        admin.execute("ALTER TABLE delivery ENABLE TRIGGER USER")
        try:
            admin.execute(MOVE, (becomes, lease(becomes), row))
            allowed.add((was, becomes))
        except psycopg.errors.CheckViolation as refusal:
            refused_by.add(refusal.diag.constraint_name)
    assert refused_by == {"ck_delivery_moves"}
    assert allowed == {(was, becomes) for was, onward in MOVES.items() for becomes in onward}


async def take(house, step, school, person, notification):
    """One thing that may happen to a notification at any moment."""
    transactions = house.service.transactions
    if step == "work":
        await house.work()
    elif step == "due":
        await house.execute("UPDATE delivery SET due_at = clock_timestamp() WHERE state = 'pending'")
    elif step == "morning":
        await house.execute("UPDATE delivery SET due_at = clock_timestamp() WHERE state = 'held'")
    elif step == "cancel":
        async with transactions.begin() as tx:
            await cancel.cancel(tx, notification, school)
    elif step == "expire":
        await house.execute("UPDATE notification SET expires_at = clock_timestamp()")
    elif step == "lose_lease":
        await house.execute("UPDATE delivery SET leased_until = clock_timestamp() WHERE state = 'sending'")
        await handlers.tend(transactions, 60)
    elif step == "night":
        await house.execute("UPDATE person SET quiet_starts = '00:00', quiet_ends = '00:00'")
    elif step == "opt_out":
        query = "INSERT INTO preference VALUES (%s, 'general', 'mail', false) ON CONFLICT DO NOTHING"
        await house.execute(query, (person,))
    else:
        body = {"task_id": str(uuid4())}
        await house.http(school, "POST", f"/v1/notifications/{notification}/resend", json=body)


async def story(open_house, answers, steps, night):
    """A notification to three people, its providers' answers, and what happens meanwhile."""
    told = itertools.cycle(answers)
    house = await open_house(mail=lambda _: Outcome(next(told), "why"), push=lambda _: Outcome(next(told), "why"))
    school = await house.add_school()
    people = [await house.add_person(school, mails=(f"p{n}@example.org",), tokens=(f"t{n}",)) for n in range(3)]
    if night:
        await take(house, "night", school, people[0], None)
    notification = await house.ask(school)
    for step in steps:
        await take(house, step, school, people[0], notification)
    return house, school, notification


@pytest.mark.timeout(180)
def test_the_machine_never_leaves_its_table_and_always_adds_up(notifier_backing, admin):
    admin.execute(JOURNAL)

    @settings(max_examples=25, deadline=None)
    @given(
        answers=st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=6),
        steps=st.lists(st.sampled_from(STEPS), max_size=8),
        night=st.booleans(),
    )
    def any_story(answers, steps, night):
        asyncio.run(told(answers, steps, night))

    async def told(answers, steps, night):
        houses = []

        async def open_house(**changes):
            house = House.of(notifier_backing, **changes)
            houses.append(house)
            await house.service.database.open()
            return house

        try:
            house, school, notification = await story(open_house, answers, steps, night)
            # whatever happened: every row has ended, waits for something, or is stopped now
            (row,) = await house.rows("SELECT * FROM notification WHERE notification_id = %s", (notification,))
            states = [state for counts in (await house.states(notification)).values() for state in counts.items()]
            assert row["planned"] == sum(n for _, n in states)
            assert row["outstanding"] == sum(n for state, n in states if state not in FINAL)
            async with house.service.transactions.begin() as tx:
                await cancel.cancel(tx, notification, school)
            await house.work()
            (row,) = await house.rows("SELECT * FROM notification WHERE notification_id = %s", (notification,))
            assert (row["outstanding"], row["state"]) in ((0, "completed"), (0, "cancelled"))
            moves = {(move["was"], move["became"]) for move in await house.rows("SELECT DISTINCT * FROM move")}
            assert moves <= {(was, becomes) for was, onward in MOVES.items() for becomes in onward}
        finally:
            for house in houses:
                await house.service.database.close()

    admin.execute("GRANT SELECT ON move TO PUBLIC")
    try:
        any_story()
    finally:
        admin.execute("DROP TRIGGER note_move ON delivery")

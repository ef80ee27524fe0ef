"""Batches on the real database: a failed message leaves nothing behind and undoes little work of the others."""

import uuid
from collections import Counter
from dataclasses import replace

import psycopg
import pytest
from batches import handle_all, inbox_rows, running_batcher
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.consumers.batch import SAVEPOINT_STRIDE
from shared.events import Envelope
from shared.transactions.unit_of_work import Duplicate

COUNT = 25
WRITE = "INSERT INTO inbox (message_id, consumer) VALUES (%(id)s, %(consumer)s)"
EMITTED = """
SELECT headers::jsonb ->> 'ce-causationid' AS cause FROM outbox
WHERE headers::jsonb ->> 'ce-causationid' = ANY(%s) AND headers::jsonb ->> 'sc-handler-us' ~ '^[0-9]+$'
"""


def in_order(spine, count=COUNT, again=()):
    """Make messages in the order of their batch; those in `again` have failed before."""
    facts = [spine.school(school_id=uuid.UUID(int=number)) for number in range(1, count + 1)]
    return [
        (replace(Envelope.of(fact, "test"), attempt=int(number in again)), fact) for number, fact in enumerate(facts)
    ]


async def emitted(service, given):
    """Count the outbox rows of each message."""
    async with service.database.worker() as connection:
        found = await connection.execute(EMITTED, ([str(envelope.id) for envelope, _ in given],))
        causes = Counter(row["cause"] for row in await found.fetchall())
    return [causes[str(envelope.id)] for envelope, _ in given]


@pytest.mark.parametrize(
    ("reads", "at", "again", "repeated"),
    [
        (False, 20, (), 0),
        (True, 20, (20,), 0),
        (True, 2 * SAVEPOINT_STRIDE + 4, (), 3),
        (True, SAVEPOINT_STRIDE - 4, (), SAVEPOINT_STRIDE - 5),
    ],
    ids=["before any statement", "failed before", "after a savepoint", "before the first savepoint"],
)
async def test_promise_07_failed_message_repeats_few_other_messages(spine, consumer, reads, at, again, repeated):
    # given: the first message is handled alone, the others form a batch
    given, runs = in_order(spine, again=again), Counter()

    async def handle(event, tx):
        tx.emit(event)
        tx.write(WRITE, {"id": event.school_id, "consumer": f"{consumer}/{tx.cause.id}"})
        if reads:
            await tx.execute("SELECT 1")
        runs[event.school_id] += 1
        if event is given[at][1]:
            raise ValueError

    async with running_batcher(spine, consumer, handle) as (batcher, service):
        # when
        outcomes = await handle_all(batcher, given)
        # then
        assert [isinstance(outcome, ValueError) for outcome in outcomes] == [nth == at for nth in range(COUNT)]
        assert runs.total() == COUNT + repeated
        assert runs[given[at][1].school_id] == 1
        assert await emitted(service, given) == [int(nth != at) for nth in range(COUNT)]
        assert (await inbox_rows(service, consumer))[0] == COUNT - 1
        assert (await inbox_rows(service, f"{consumer}/{given[at][0].id}"))[0] == 0
        assert (await inbox_rows(service, f"{consumer}/{given[at - 1][0].id}"))[0] == 1


async def test_buffered_write_that_fails_again_fails_only_its_message(spine, consumer):
    # given
    given, runs = in_order(spine, again=(7,)), []

    async def handle(event, tx):
        runs.append(event)
        tx.write("SELECT 1 / %(by)s", {"by": 0 if event is given[7][1] else 1})

    async with running_batcher(spine, consumer, handle) as (batcher, service):
        # when
        outcomes = await handle_all(batcher, given)
        # then
        assert [type(outcome) for outcome in outcomes if outcome] == [psycopg.errors.DivisionByZero]
        assert len(runs) == COUNT
        assert (await inbox_rows(service, consumer))[0] == COUNT - 1


async def test_ignored_statement_error_fails_only_its_message(spine, consumer):
    # given: the statement of the next message would be the first to fail
    given = in_order(spine, 3)

    async def handle(event, tx):
        try:
            await tx.execute("SELECT 1 / %s", [0 if event is given[1][1] else 1])
        except psycopg.errors.DivisionByZero:
            return

    async with running_batcher(spine, consumer, handle) as (batcher, service):
        # when
        outcomes = await handle_all(batcher, given)
        # then
        assert [type(outcome) for outcome in outcomes] == [
            type(None),
            psycopg.errors.InFailedSqlTransaction,
            type(None),
        ]
        assert (await inbox_rows(service, consumer))[0] == 2


async def test_duplicate_in_the_batch_of_a_failure_is_skipped_and_a_later_one_is_handled(spine, consumer):
    # given
    given, runs = in_order(spine, 3), []

    async def handle(event, tx):
        runs.append(event)
        if runs.count(given[1][1]) == 1 and event is given[1][1]:
            raise ValueError

    async with running_batcher(spine, consumer, handle) as (batcher, service):
        # when
        first = await handle_all(batcher, [*given, given[1]])
        later = await handle_all(batcher, [given[1]])
        # then: its failure is reported once
        assert [type(outcome) for outcome in first] == [type(None), ValueError, type(None), Duplicate]
        assert later == [None]
        assert len(runs) == 4
        assert (await inbox_rows(service, consumer))[0] == 3


BEHAVIOURS = ("well", "before", "after", "write", "unheeded")
PROBLEMS = {
    "well": type(None),
    "before": ValueError,
    "after": ValueError,
    "write": psycopg.errors.DivisionByZero,
    "unheeded": psycopg.errors.InFailedSqlTransaction,
}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(BEHAVIOURS), st.booleans(), st.booleans(), st.booleans()), max_size=COUNT))
async def test_promise_07_all_other_messages_are_handled_once_beside_any_failure(spine, messages):
    """Each message: its behaviour, whether it buffers a write, runs a statement, and has failed before."""
    # given
    consumer = f"notifier.test.{uuid.uuid4().hex[:8]}"
    given = in_order(spine, len(messages), again=[nth for nth, each in enumerate(messages) if each[3]])
    of = {fact.school_id: each for (_, fact), each in zip(given, messages, strict=True)}

    async def handle(event, tx):
        behaviour, writes, reads, _ = of[event.school_id]
        tx.emit(event)
        if writes:
            tx.write(WRITE, {"id": tx.cause.id, "consumer": f"{consumer}/written"})
        if behaviour == "before":
            raise ValueError
        if reads:
            await tx.execute("SELECT 1")
        if behaviour == "after":
            raise ValueError
        if behaviour == "write":
            tx.write("SELECT 1 / %(by)s", {"by": 0})
        if behaviour == "unheeded":
            with pytest.raises(psycopg.errors.DivisionByZero):
                await tx.execute("SELECT 1 / 0")

    async with running_batcher(spine, consumer, handle) as (batcher, service):
        # when
        outcomes = await handle_all(batcher, given)
        # then
        well = [int(behaviour == "well") for behaviour, *_ in messages]
        assert [type(outcome) for outcome in outcomes] == [PROBLEMS[behaviour] for behaviour, *_ in messages]
        assert await emitted(service, given) == well
        assert (await inbox_rows(service, consumer))[0] == sum(well)
        written = [behaviour == "well" and writes for behaviour, writes, *_ in messages]
        assert (await inbox_rows(service, f"{consumer}/written"))[0] == sum(written)

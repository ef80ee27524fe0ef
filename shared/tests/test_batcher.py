"""Messages of one consumer in one commit, on the real database: each is handled once and fails alone."""

import asyncio
import uuid
from dataclasses import replace

import psycopg
import pytest
from batches import handle_all, inbox_rows, messages, running_batcher, send

from shared.consumers.batcher import MOST_TURNS
from shared.errors import InfrastructureDown, Reject
from shared.transactions.unit_of_work import Duplicate


async def test_waiting_messages_are_handled_in_few_commits(spine, consumer):
    # given
    seen = []

    async def remember(event, tx):
        seen.append((event.school_id, tx.cause.school_id))
        tx.emit(event)

    async with running_batcher(spine, consumer, remember) as (batcher, service):
        given = messages(spine, 100)
        # when
        outcomes = await handle_all(batcher, given)
        # then
        assert outcomes == [None] * 100
        assert sorted(seen) == sorted((fact.school_id, fact.school_id) for _, fact in given)
        rows, commits = await inbox_rows(service, consumer)
        assert rows == 100
        assert commits <= 10
        query = "SELECT count(*) FROM outbox WHERE headers::jsonb ->> 'ce-causationid' = ANY(%s)"
        assert await spine.count(service, query, [str(envelope.id) for envelope, _ in given]) == 100


@pytest.mark.parametrize("problem", [Reject("no"), ValueError("secret"), psycopg.errors.UniqueViolation()])
async def test_promise_07_failed_message_gets_its_error_and_others_commit_once(spine, consumer, problem):
    # given
    given = messages(spine, 25)
    bad = given[12][1]
    runs = []

    async def handle(event, tx):
        if event is bad:
            runs.append(event)
            raise problem
        await tx.execute("SELECT 1")
        tx.emit(event)

    async with running_batcher(spine, consumer, handle) as (batcher, service):
        # when
        outcomes = await handle_all(batcher, given)
        # then
        assert outcomes == [None] * 12 + [problem] + [None] * 12
        assert len(runs) == 1
        assert (await inbox_rows(service, consumer))[0] == 24
        query = "SELECT count(*) FROM outbox WHERE headers::jsonb ->> 'ce-causationid' = ANY(%s)"
        assert await spine.count(service, query, [str(envelope.id) for envelope, _ in given]) == 24


async def test_failed_commit_is_repeated_message_by_message(spine, consumer):
    # given: a row that the outbox refuses
    given = messages(spine, 10)
    bad = given[3][1]

    async def handle(event, tx):
        tx.emit(event)
        if event is bad:
            tx.outgoing.append(replace(tx.outgoing[-1], data="\x00"))

    async with running_batcher(spine, consumer, handle) as (batcher, service):
        # when
        outcomes = await handle_all(batcher, given)
        # then
        assert [isinstance(outcome, psycopg.DataError) for outcome in outcomes] == [fact is bad for _, fact in given]
        assert (await inbox_rows(service, consumer))[0] == 9


async def test_contention_repeats_the_batch(spine, consumer):
    # given: the first attempt has a deadlock
    tries = []

    async def handle(event, tx):
        tries.append(event)
        if len(tries) == 2:
            raise psycopg.errors.DeadlockDetected

    async with running_batcher(spine, consumer, handle) as (batcher, service):
        assert await handle_all(batcher, messages(spine, 5)) == [None] * 5
        assert (await inbox_rows(service, consumer))[0] == 5


async def test_promise_03_rule_16_outage_is_reported_for_all_messages(spine, consumer):
    async def handle(event, tx):
        raise InfrastructureDown("away")

    async with running_batcher(spine, consumer, handle) as (batcher, service):
        outcomes = await handle_all(batcher, messages(spine, 5))
        assert {type(outcome) for outcome in outcomes} == {InfrastructureDown}
        assert (await inbox_rows(service, consumer))[0] == 0


async def test_rule_16_waiting_batch_does_not_use_an_unavailable_database(spine, consumer):
    # given
    asked = []

    async def remember(event, tx):
        asked.append(event)

    async with running_batcher(spine, consumer, remember) as (batcher, service):
        gate = service.components.pause_switch
        gate.close(psycopg.OperationalError("away"))
        # when
        waiting = asyncio.create_task(handle_all(batcher, messages(spine, 5)))
        await asyncio.sleep(0.1)
        # then
        assert asked == []
        probing = asyncio.create_task(gate.run())
        assert await waiting == [None] * 5
        probing.cancel()


async def test_duplicate_is_skipped_in_the_same_batch_and_later(spine, consumer):
    seen = []

    async def remember(event, tx):
        seen.append(event)

    async with running_batcher(spine, consumer, remember) as (batcher, _):
        one = messages(spine, 1)
        first = await handle_all(batcher, one * 3)
        again = await handle_all(batcher, one)
        outcomes = [type(outcome) for outcome in first + again]
        assert sorted(outcomes, key=str) == sorted([type(None), *[Duplicate] * 3], key=str)
        assert len(seen) == 1


async def test_slow_messages_run_concurrently_and_commit_separately(spine, consumer):
    # given
    running, most_at_once = 0, 0

    async def work(event, tx):
        nonlocal running, most_at_once
        running += 1
        most_at_once = max(running, most_at_once)
        await asyncio.sleep(0.06)
        running -= 1

    async with running_batcher(spine, consumer, work, turn_seconds=0.05) as (batcher, service):
        # when
        assert await handle_all(batcher, messages(spine, 20)) == [None] * 20
        # then
        rows, commits = await inbox_rows(service, consumer)
        assert rows == 20
        assert commits >= 19
        assert most_at_once > 1


async def test_ignored_statement_error_commits_nothing(spine, consumer):
    async def swallow(event, tx):
        try:
            await tx.execute("SELECT 1 / 0")
        except psycopg.errors.DivisionByZero:
            return

    async with running_batcher(spine, consumer, swallow) as (batcher, service):
        outcomes = await handle_all(batcher, messages(spine, 1))
        assert [type(outcome) for outcome in outcomes] == [psycopg.errors.InFailedSqlTransaction]
        assert (await inbox_rows(service, consumer))[0] == 0


async def test_cancelled_waiter_does_not_block_batch(spine, consumer):
    # given
    begun, go = asyncio.Event(), asyncio.Event()

    async def wait(event, tx):
        begun.set()
        await go.wait()

    async with running_batcher(spine, consumer, wait) as (batcher, service):
        (one, *others) = messages(spine, 3)
        gone = asyncio.create_task(batcher.handle(*one))
        await begun.wait()
        rest = asyncio.create_task(handle_all(batcher, others))
        await asyncio.sleep(0)
        # when
        gone.cancel()
        go.set()
        # then: its commit stays, and a redelivery is a duplicate
        assert await rest == [None, None]
        assert (await inbox_rows(service, consumer))[0] == 3


async def test_buffered_writes_are_visible_to_later_reads_and_share_a_round_trip(spine, consumer):
    # given
    write = "INSERT INTO inbox (message_id, consumer) VALUES (%(id)s, %(consumer)s)"
    counts = []

    async def handle(event, tx):
        tx.write(write, {"id": event.school_id, "consumer": f"{consumer}/written"})
        if len(counts) < 2:
            row = await tx.row("SELECT count(*) FROM inbox WHERE consumer = %s", (f"{consumer}/written",))
            counts.append(row["count"])

    async with running_batcher(spine, consumer, handle) as (batcher, service):
        # when
        assert await handle_all(batcher, messages(spine, 25)) == [None] * 25
        # then
        assert counts == [1, 2]
        assert (await inbox_rows(service, f"{consumer}/written"))[0] == 25


@pytest.mark.parametrize("reads", [False, True])
async def test_failed_buffered_write_fails_only_its_message(spine, consumer, reads):
    # given: the statement of the next message executes it, if there is one
    given = messages(spine, 10)
    bad = given[7][1]

    async def handle(event, tx):
        if reads:
            await tx.execute("SELECT 1")
        tx.write("SELECT 1 / %(by)s", {"by": 0 if event is bad else 1})

    async with running_batcher(spine, consumer, handle) as (batcher, service):
        # when
        outcomes = await handle_all(batcher, given)
        # then
        expected = [type(None)] * 10
        expected[7] = psycopg.errors.DivisionByZero
        assert [type(outcome) for outcome in outcomes] == expected
        assert (await inbox_rows(service, consumer))[0] == 9


async def test_message_does_not_wait_for_an_earlier_slow_one(spine, consumer):
    # given: a large plan, which takes long
    (slow, quick), free, under_way = messages(spine, 2), asyncio.Event(), asyncio.Event()

    async def handle(event, tx):
        if event is slow[1]:
            under_way.set()
            await free.wait()

    async with running_batcher(spine, consumer, handle, turn_seconds=0.05) as (batcher, service):
        first = asyncio.create_task(batcher.handle(*slow))
        await under_way.wait()
        # when
        async with asyncio.timeout(10):
            await batcher.handle(*quick)
        # then
        assert not first.done()
        free.set()
        await first
        assert (await inbox_rows(service, consumer))[0] == 2


async def test_large_audience_is_handled_alone(spine, consumer):
    # given: they arrive while another message is being handled, so that they would form a batch
    big, small = send({"school": True}), [send({"people": [uuid.uuid4()]}) for _ in range(6)]
    first, go, free = send({"people": [uuid.uuid4()]}), asyncio.Event(), asyncio.Event()

    async def handle(event, tx):
        if event in (first[1], big[1]):
            await (go if event is first[1] else free).wait()

    async with running_batcher(spine, consumer, handle) as (batcher, service):
        waiting = [asyncio.create_task(batcher.handle(*each)) for each in (first, *small[:3], big, *small[3:])]
        await asyncio.sleep(0)
        # when
        go.set()
        async with asyncio.timeout(10):
            await asyncio.gather(*waiting[:4])
        # then
        assert not any(each.done() for each in waiting[4:])
        free.set()
        await asyncio.gather(*waiting)
        assert await inbox_rows(service, consumer) == (8, 4)


async def test_trust_4_a_backlog_leaves_connections_to_other_consumers(spine, consumer):
    # given more slow messages than the process has connections for
    end, running = asyncio.Event(), []

    async def hold(event, tx):
        running.append(event)
        await end.wait()

    given = [send({"school": True}) for _ in range(3 * MOST_TURNS)]
    async with (
        running_batcher(spine, consumer, hold, turn_seconds=0.001) as (batcher, _),
        asyncio.TaskGroup() as group,
    ):
        handled = group.create_task(handle_all(batcher, given))
        while len(running) < MOST_TURNS:
            await asyncio.sleep(0.01)
        # when the others could have begun
        await asyncio.sleep(0.2)
        # then
        assert len(running) == MOST_TURNS
        end.set()
        assert await handled == [None] * len(given)
    assert len(running) == len(given)

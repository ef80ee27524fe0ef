"""What has served its time is deleted in short commits; what can still be needed is kept longer."""

import asyncio
from uuid import uuid4

import pytest
from pydantic import ValidationError

from gateway.settings import Settings
from gateway.tasks.retention import of_tasks
from shared.messaging.topology import LOGS, spine
from shared.service.retention import PAGES, Policy, of_every_service, pages_after, prune
from shared.settings import LOG_DAYS

pytestmark = pytest.mark.asyncio(loop_scope="module")

TASKS = """
INSERT INTO task (task_id, kind, state, result, changed_at)
SELECT gen_random_uuid(), 'retention', CASE WHEN i % 10 = 0 THEN 'running' ELSE 'succeeded' END, '{"a": 1}',
       clock_timestamp() - make_interval(days => i)
FROM generate_series(1, 400) AS i
"""
REPLAY = "INSERT INTO replay (task_id, request, requested_at) VALUES (%s, '{}', now() - make_interval(days => %s))"
LEFT = "SELECT count(*) AS n, count(result) AS results FROM task WHERE kind = 'retention'"


def settings_of(gateway, **changes):
    environment = {name.lower(): value for name, value in gateway.backing.environment("gateway").items()}
    return Settings(**environment, **changes)


async def test_results_go_before_tasks_and_tasks_that_have_not_ended_stay(gateway):
    async with gateway.service.transactions.begin() as tx:
        await tx.execute(TASKS)
    # when two replicas prune at once, in small steps
    policies = of_tasks(settings_of(gateway))
    await asyncio.gather(*(prune(gateway.service.transactions, policies, pages=1) for _ in range(2)))
    await prune(gateway.service.transactions, policies, pages=1)
    # then of 400 tasks 180 days are left and 23 older ones that run; 30 days have results, and all that run
    (left,) = await gateway.rows(LEFT)
    assert (left["n"], left["results"]) == (179 + 23, 29 + 38)


async def test_the_inbox_forgets_a_message_after_its_time_only(gateway):
    rows = gateway.service.transactions
    async with rows.begin() as tx:
        query = (
            "INSERT INTO inbox (message_id, consumer, handled_at) VALUES (%s, 'x', now() - make_interval(days => %s))"
        )
        for days in (119, 121):
            await tx.execute(query, (uuid4(), days))
            await tx.execute(REPLAY, (uuid4(), days))
        running = uuid4()
        await tx.execute(REPLAY, (running, 121))
        await tx.execute("INSERT INTO task_lease (task_id) VALUES (%s)", (running,))
    await prune(rows, of_every_service(120))
    assert await gateway.one("SELECT count(*) FROM inbox WHERE consumer = 'x'") == 1
    # a replay is kept as long as it has not ended
    assert await gateway.one("SELECT count(*) FROM replay") == 2


async def test_pruning_leaves_a_table_to_the_replica_that_is_at_it(gateway):
    rows = gateway.service.transactions
    async with rows.begin() as tx:
        await tx.execute(
            "INSERT INTO inbox (message_id, consumer, handled_at) VALUES (%s, 'y', '2020-01-01')", (uuid4(),)
        )
    async with rows.begin() as other:
        await other.execute("SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '.inbox', 0))")
        await prune(rows, (Policy("inbox", "consumer = 'y' AND %(days)s > 0", 1),))
        assert await gateway.one("SELECT count(*) FROM inbox WHERE consumer = 'y'") == 1


@pytest.mark.parametrize(
    ("pages", "seconds", "following"),
    [(PAGES, 0.001, PAGES), (4, 0.04, 2), (2, 0.04, 1), (1, 0.04, 1), (1, 0.001, 2)],
)
async def test_a_slow_commit_of_pruning_is_followed_by_a_smaller_one(pages, seconds, following):
    assert pages_after(pages, seconds, PAGES) == following


async def test_the_inbox_outlasts_all_that_can_be_retried_or_replayed(gateway):
    settings = settings_of(gateway)
    kept = {queue.arguments["x-max-age"] for queue in spine().queues if queue.name in LOGS}
    assert kept == {f"{LOG_DAYS}D"}
    longest_tiers = sum(settings.retry_tiers) / 86_400
    assert settings.inbox_days > max(LOG_DAYS, settings.retry_days) + longest_tiers


@pytest.mark.parametrize(
    "wrong",
    [
        {"inbox_days": 90},
        {"retry_days": 120},
        {"task_days": 10},
        {"failure_days": 100},
        {"result_days": 0},
        {"audit_days": 365},
    ],
)
async def test_settings_that_forget_too_early_are_refused(gateway, wrong):
    with pytest.raises(ValidationError, match=r"DAYS|greater than or equal"):
        settings_of(gateway, **wrong)

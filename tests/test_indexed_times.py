"""Statements that find rows by an indexed time use that index: a table of a million rows is not read for a few.

`clock_timestamp()` changes while a statement runs, so PostgreSQL compares it with every row; `statement_timestamp()`
is one moment, and can bound an index.
"""

import psycopg
import pytest

from gateway.console.overview_page import COUNT_ENDED
from gateway.files.orphans import MARK_ORPHANS
from gateway.http.idempotency import DELETE_EXPIRED_KEYS
from gateway.notifications.held_sends import LAPSE
from notifier.escalation.sql import LOCK_DUE_CASES
from notifier.planning.cancellation import END_OVERDUE
from notifier.planning.sql import FAIL_OVERDUE
from scheduler.store import DELETE_ENDED_SCHEDULES
from shared.jobs.lease import SELECT_STALLED_TASKS
from shared.testing.fixtures import fresh_database

BOUNDS = {
    "gateway: tasks that ended in the last hour": ("gateway", COUNT_ENDED, "(changed_at >= "),
    "gateway: expired keys": ("gateway", DELETE_EXPIRED_KEYS, "(created_at < "),
    "gateway: sends that lapse": ("gateway", LAPSE, "(requested_at < "),
    "gateway: uploads whose sender is gone": ("gateway", MARK_ORPHANS, "(leased_until < "),
    "gateway: tasks whose permit was lost": ("gateway", SELECT_STALLED_TASKS, "(permitted_until < "),
    "notifier: notifications that wait too long": ("notifier", FAIL_OVERDUE, "(received_at < "),
    "notifier: cases that are due": ("notifier", LOCK_DUE_CASES, "(due_at <= "),
    "notifier: notifications that have expired": ("notifier", END_OVERDUE, "(expires_at <= "),
    "scheduler: schedules that ended long ago": ("scheduler", DELETE_ENDED_SCHEDULES, "(changed_at < "),
}
VALUES = {"minutes": 60, "days": 7, "seconds": 60, "limit": 10, "kinds": ["roster.import"]}


@pytest.fixture(scope="module")
def admin():
    """A superuser's connection that reads a whole table only where nothing else is possible."""
    with fresh_database(["gateway", "notifier", "scheduler"]) as url, psycopg.connect(url, autocommit=True) as made:
        made.execute("SET enable_seqscan = off")
        yield made


@pytest.mark.parametrize("what", BOUNDS)
def test_a_time_bounds_the_index_of_its_column(admin, what):
    schema, statement, bound = BOUNDS[what]
    admin.execute(f"SET search_path = {schema}")
    plan = [row[0].strip() for row in admin.execute(f"EXPLAIN {statement}", VALUES)]
    assert [line for line in plan if line.startswith("Index Cond: ") and bound in line], "\n".join(plan)

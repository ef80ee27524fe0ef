"""The gateway's copies: tasks from the log, workers from their heartbeats."""

import json
from collections.abc import Sequence
from typing import Any

from psycopg.types.json import Jsonb

from gateway.security.rate_limits import RateLimiter
from gateway.sends.parent_tasks import aggregate_tasks
from shared.events import Event, NotificationDue, TaskChanged
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

# Store states of tasks that are newer than the stored ones.
UPSERT_TASKS = """
INSERT INTO task AS t (task_id, school_id, kind, state, epoch, version, done, total, result, error, changed_at)
SELECT * FROM jsonb_to_recordset(%(rows)s) AS r(task_id uuid, school_id uuid, kind text, state text, epoch int,
                                                version int, done bigint, total bigint, result jsonb, error text,
                                                changed_at timestamptz)
ON CONFLICT (task_id) DO UPDATE SET state = excluded.state, epoch = excluded.epoch, version = excluded.version,
    done = excluded.done, total = excluded.total, result = excluded.result, error = excluded.error,
    changed_at = excluded.changed_at,
    cancel_requested_at = CASE WHEN excluded.epoch = t.epoch THEN t.cancel_requested_at END
WHERE (t.epoch, t.version) < (excluded.epoch, excluded.version)
"""
# Store the task of a run.
INSERT_INTENT = """
INSERT INTO intent (notification_id, school_id, task_id) VALUES (%(notification_id)s, %(school_id)s, %(task_id)s)
ON CONFLICT DO NOTHING
"""
# Store a heartbeat.
UPSERT_WORKER = """
INSERT INTO worker (worker, service, facts) VALUES (%(worker)s, %(service)s, %(facts)s)
ON CONFLICT (worker) DO UPDATE SET facts = excluded.facts, seen_at = clock_timestamp()
"""
# Delete workers without a heartbeat for an hour.
DELETE_SILENT_WORKERS = "DELETE FROM worker WHERE seen_at < clock_timestamp() - interval '1 hour'"


async def project_tasks(events: Sequence[Event], tx: UnitOfWork) -> None:
    """Store the newest state of every task."""
    tasks = [e.model_dump(mode="json") for e in events if isinstance(e, TaskChanged)]
    await tx.execute(UPSERT_TASKS, {"rows": json.dumps(tasks)})
    await aggregate_tasks(tx, [task["task_id"] for task in tasks])


async def record_scheduled_run(due: NotificationDue, tx: UnitOfWork) -> None:
    """Store a run of a schedule, so that it can be read by its id like a send that a person requested.

    A reaction, because most of the log of work comes from this service itself.
    """
    tx.write(INSERT_INTENT, {name: getattr(due, name) for name in ("notification_id", "school_id", "task_id")})


class HeartbeatRecorder:
    """Stores the workers; a heartbeat is a hint and is written outside any other commit."""

    def __init__(self, transactions: UnitOfWorkFactory, limits: RateLimiter) -> None:
        self._transactions = transactions
        self._limits = limits

    async def __call__(self, facts: dict[str, Any]) -> None:
        """Store one heartbeat."""
        self._limits.on_heartbeat(facts)
        async with self._transactions.begin() as tx:
            values = {"worker": facts["worker"], "service": facts["service"], "facts": Jsonb(facts)}
            await tx.execute(UPSERT_WORKER, values)


async def forget_workers(transactions: UnitOfWorkFactory) -> None:
    """Delete workers without a heartbeat for an hour."""
    async with transactions.begin() as tx:
        await tx.execute(DELETE_SILENT_WORKERS)

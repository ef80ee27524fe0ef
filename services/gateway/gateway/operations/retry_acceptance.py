"""Accepts a retry of many failures at once, and collects its members afterwards.

An acceptance stores what was selected, not each failure: 100,000 of them take longer than a request should. The next
sweep makes them members.
"""

from uuid import UUID

from gateway.operations.failure_groups import COUNT_SELECTED, check_count
from gateway.operations.failure_selection import SELECTED, SELECTED_BY_ROW, FailureSelection
from gateway.problems import Problem
from shared.jobs.task_status import track
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

KIND = "failures.retry"

# Accept one retry at a time: two must not have the same failure.
LOCK_ACCEPTANCE = "SELECT pg_advisory_xact_lock(hashtext('gateway.failure_retry'))"
# Count the selected failures that a running or an accepted retry has.
COUNT_BUSY = f"""
SELECT count(*) AS count FROM failure f
WHERE {SELECTED}
  AND (EXISTS (SELECT FROM failure_retry_member m
               WHERE m.failure_id = f.failure_id AND m.state IN ('waiting', 'sent'))
       OR EXISTS (SELECT FROM failure_retry_selection s WHERE {SELECTED_BY_ROW}))
"""  # noqa: S608  # constants
# Find out whether any retry is running or accepted.
SELECT_ANY_RETRY = """
SELECT EXISTS (SELECT FROM failure_retry WHERE ended_at IS NULL)
    OR EXISTS (SELECT FROM failure_retry_selection) AS any_retry
"""
# Show the task before its first event is projected.
INSERT_TASK = """
INSERT INTO task (task_id, kind, state, created_by, total)
VALUES (%(task_id)s, %(kind)s, 'accepted', %(person)s, %(count)s)
"""
# Store what was selected.
INSERT_SELECTION = """
INSERT INTO failure_retry_selection (task_id, requested_by, count, seen_until, failure, service, queue, fingerprint,
                                     type, school)
VALUES (%(task_id)s, %(person)s, %(count)s, %(seen_until)s, %(failure)s, %(service)s, %(queue)s, %(fingerprint)s,
        %(type)s, %(school)s)
"""
# Let one instance begin an accepted retry.
LOCK_SELECTION = """
SELECT task_id, requested_by, count FROM failure_retry_selection ORDER BY task_id LIMIT 1 FOR UPDATE SKIP LOCKED
"""
# Begin a retry.
INSERT_RETRY = "INSERT INTO failure_retry (task_id, requested_by) VALUES (%(task_id)s, %(person)s)"
# Make the selected failures that are still open members.
INSERT_MEMBERS = f"""
INSERT INTO failure_retry_member (task_id, failure_id, queue, fingerprint, place)
SELECT s.task_id, f.failure_id, f.queue, f.fingerprint,
       row_number() OVER (PARTITION BY f.queue, f.fingerprint ORDER BY f.failure_id)
FROM failure_retry_selection s JOIN failure f ON {SELECTED_BY_ROW}
WHERE s.task_id = %(task_id)s ORDER BY f.failure_id ON CONFLICT DO NOTHING
"""  # noqa: S608  # a constant
# Remember how many were closed in between.
SET_ABSENT = "UPDATE failure_retry SET absent = %(absent)s WHERE task_id = %(task_id)s"
# Forget a selection: its failures are members, or its retry was cancelled before it began.
DELETE_SELECTION = "DELETE FROM failure_retry_selection WHERE task_id = %(task_id)s RETURNING count"


async def accept(tx: UnitOfWork, task_id: UUID, selection: FailureSelection, person: UUID | None) -> None:
    """Commit a retry of the selection; the next sweep begins it.

    409 `drifted` when the selection has another size than was seen, 409 `conflict` when a retry has some of it.
    """
    values = selection.values() | {"task_id": task_id, "kind": KIND, "person": person, "count": selection.count}
    await tx.execute(LOCK_ACCEPTANCE)
    found = await tx.row(COUNT_SELECTED, values)
    check_count(found["count"] if found else 0, selection.count)
    others = await tx.row(SELECT_ANY_RETRY)
    busy = await tx.row(COUNT_BUSY, values) if others and others["any_retry"] else None
    if busy and busy["count"]:
        detail = f"A running retry has {busy['count']} of these failures. Wait for its end, or cancel it."
        raise Problem(409, "conflict", detail)
    await tx.execute(INSERT_TASK, values)
    await tx.execute(INSERT_SELECTION, values)
    await track(tx, task_id, school_id=None, kind=KIND, state="running", total=selection.count)


async def collect_members(transactions: UnitOfWorkFactory) -> None:
    """Begin the accepted retries, one commit each."""
    while await _begin_one(transactions):
        pass


async def _begin_one(transactions: UnitOfWorkFactory) -> bool:
    async with transactions.begin() as tx:
        selection = await tx.row(LOCK_SELECTION)
        if selection is None:
            return False
        key = {"task_id": selection["task_id"]}
        await tx.execute(INSERT_RETRY, key | {"person": selection["requested_by"]})
        members = (await tx.execute(INSERT_MEMBERS, key)).rowcount
        await tx.execute(SET_ABSENT, key | {"absent": selection["count"] - members})
        await tx.execute(DELETE_SELECTION, key)
    return True


async def withdraw(tx: UnitOfWork, task_id: UUID) -> int:
    """Cancel a retry that has not begun; returns how many failures it had, 0 if it has begun."""
    row = await tx.row(DELETE_SELECTION, {"task_id": task_id})
    return row["count"] if row else 0

"""The import of one uploaded roster as a job: opened by its upload, claimed under a lease, read, run, ended."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any, BinaryIO
from uuid import UUID

from uuid_utils.compat import uuid7

from gateway.http.idempotency import GROUP, answered
from gateway.permits import IMPORT_LANE, ImportPermit
from gateway.problems import Problem
from gateway.roster_import import importer, structure
from gateway.roster_import import upload as import_upload
from gateway.roster_import.endings import Bound
from gateway.roster_import.oneroster import Known, Roster, RosterRefused, read, source_of
from gateway.roster_import.upload import Order
from gateway.security.caller import Caller
from shared.events import Envelope, TaskCancelRequested
from shared.jobs import job as jobs
from shared.jobs.job import Task
from shared.jobs.time_limits import TimeLimits
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

KIND = "import.oneroster"
LIMITS = TimeLimits(again=True)
"""A roster that takes longer than 24 minutes is continued: rows that are written already are passed over quickly."""

# Add the task of an import.
INSERT_TASK = """
INSERT INTO task (task_id, kind, state, created_by) VALUES (%(task_id)s, %(kind)s, 'accepted', %(person)s)
"""
# `leased_until` keeps workers of the version before from claiming it: leases are `task_lease`'s now.
OPEN_JOB = """
INSERT INTO import_job (task_id, leased_until, source, dry_run, by_key)
VALUES (%(task_id)s, 'infinity', %(source)s, %(dry_run)s, %(by_key)s)
"""
# Lock an import, and select whether it waits for a confirmation.
SELECT_WAITING = "SELECT waiting FROM import_job WHERE task_id = %(task)s FOR UPDATE"
# Confirm what an import ends, or whom it makes an administrator.
CONFIRM_JOB = "UPDATE import_job SET confirmed = true, waiting = false WHERE task_id = %(task)s"
# Take over imports that the version before accepted. A worker of it that still runs one loses its lease by this.
TAKE_OVER_JOBS = """
UPDATE import_job SET lease = NULL, leased_until = 'infinity'
WHERE finished_at IS NULL AND leased_until < clock_timestamp() RETURNING task_id
"""

# Select the records that the gateway has already, for uploads of changes only.
SELECT_USERS = """
SELECT p.sourced_id, bool_or(m.role = 'student') AS student, bool_or(m.role = 'guardian') AS guardian
FROM person p LEFT JOIN membership m USING (person_id)
WHERE p.sourced_id IS NOT NULL AND p.active AND p.source IN ('', %(source)s) GROUP BY p.sourced_id
"""
# Select the classes of rosters with their schools.
SELECT_CLASSES = """
SELECT c.sourced_id, s.sourced_id AS school FROM school_class c JOIN school s USING (school_id)
WHERE c.active AND c.sourced_id IS NOT NULL AND s.sourced_id IS NOT NULL AND c.source IN ('', %(source)s)
"""
# Select the terms of rosters.
SELECT_TERMS = "SELECT DISTINCT sourced_id FROM term WHERE sourced_id IS NOT NULL AND source IN ('', %(source)s)"
# Select the marks of erased people.
SELECT_ERASED = """
SELECT sourced_id FROM person WHERE erased_at IS NOT NULL AND sourced_id IS NOT NULL AND source IN ('', %(source)s)
"""
# Select the schools of other sources.
SELECT_OTHERS = "SELECT sourced_id, name FROM school WHERE sourced_id IS NOT NULL AND source NOT IN ('', %(source)s)"

Read = Callable[..., Roster]


async def request_import(
    tx: UnitOfWork, caller: Caller, upload: BinaryIO, key: str | None, order: Order
) -> dict[str, Any]:
    """Commit an upload and permit its import; returns the answer, the same for the same key and file."""
    task = uuid7()
    answer = {"task_id": str(task), "state": "accepted"}
    if key is not None:
        # In a thread, because a hundred megabytes would hold up every other request.
        digest = await asyncio.to_thread(import_upload.digest, upload)
        request = {"route": "imports/oneroster", "sha256": digest}
        request |= {name: value for name, value in asdict(order).items() if value}
        if (before := await answered(tx, caller, GROUP, key, request, answer)) is not None:
            return before
    await tx.execute(INSERT_TASK, {"task_id": task, "kind": KIND, "person": caller.person})
    await open_import(tx, task, upload, replace(order, by_key=caller.key is not None))
    permit(tx, task)
    return answer


async def confirm(tx: UnitOfWork, task_id: UUID) -> None:
    """Let an import go on that waits for a person; 404, or 409 when it does not wait."""
    row = await tx.row(SELECT_WAITING, {"task": task_id})
    if row is None:
        raise Problem(404, "not_found")
    if not row["waiting"] or not await jobs.wake(tx, task_id):
        raise Problem(409, "conflict", "This import does not wait for a confirmation.")
    await tx.execute(CONFIRM_JOB, {"task": task_id})
    permit(tx, task_id)


async def open_import(tx: UnitOfWork, task_id: UUID, upload: BinaryIO, order: Order = importer.ORDER) -> None:
    """Keep an upload as a job that a worker may claim; `permit` it in the same commit."""
    named = {"source": order.source, "dry_run": order.dry_run, "by_key": order.by_key}
    await tx.execute(OPEN_JOB, {"task_id": task_id, **named})
    await import_upload.keep(tx, task_id, upload)
    await jobs.start(tx, Task(task_id, None, KIND))


def permit(tx: UnitOfWork, task_id: UUID) -> None:
    """Let a worker import a roster, once this transaction has committed."""
    tx.permit(ImportPermit(task_id=task_id), IMPORT_LANE)


async def run(
    permitted: ImportPermit,
    cause: Envelope,
    transactions: UnitOfWorkFactory,
    limits: TimeLimits = LIMITS,
    chunk: int = importer.CHUNK,
    read: Read = read,
    bound: Bound = importer.BOUND,
) -> None:
    """Import the roster of a permit. Raises LeaseLost when it has ended or another worker has it."""
    async with jobs.run_job(transactions, permitted.task_id, cause, limits, import_upload.discard) as job:
        async with transactions.begin(cause) as tx:
            order = await import_upload.order(tx, permitted.task_id)
            upload = await import_upload.fetch(tx, permitted.task_id)
        try:
            with upload:
                source = order.source or await asyncio.to_thread(source_of, upload)
                async with transactions.begin(cause) as tx:
                    known = await _known(tx, source)
                with await asyncio.to_thread(read, upload, known=known) as roster:
                    await importer.import_roster(job, roster, chunk, order, bound, source)
        except RosterRefused as refusal:
            async with job.commit() as tx:
                await job.fail(tx, str(refusal))


async def cancel(event: TaskCancelRequested, tx: UnitOfWork) -> None:
    """Stop an import that has not ended: rows that are written stay. Other kinds belong to other services."""
    await jobs.cancel(event, tx, frozenset({KIND}), import_upload.discard)


async def resume_imports(transactions: UnitOfWorkFactory) -> None:
    """Permit again the imports that no worker has, and take over those that the version before accepted."""
    async with transactions.begin() as tx:
        for row in await tx.rows(TAKE_OVER_JOBS):
            if await jobs.start(tx, Task(row["task_id"], None, KIND)):
                permit(tx, row["task_id"])
    await jobs.resume(transactions, lambda task_id: ImportPermit(task_id=task_id), IMPORT_LANE, frozenset({KIND}))


async def _known(tx: UnitOfWork, source: str) -> Known:
    values = {"source": source}
    users = await tx.rows(SELECT_USERS, values)
    return Known(
        schools=frozenset(await structure.school_ids(tx)),
        users=frozenset(row["sourced_id"] for row in users),
        students=frozenset(row["sourced_id"] for row in users if row["student"]),
        guardians=frozenset(row["sourced_id"] for row in users if row["guardian"]),
        classes={row["sourced_id"]: row["school"] for row in await tx.rows(SELECT_CLASSES, values)},
        terms=frozenset(row["sourced_id"] for row in await tx.rows(SELECT_TERMS, values)),
        erased=frozenset(row["sourced_id"] for row in await tx.rows(SELECT_ERASED, values)),
        others={row["sourced_id"]: row["name"] for row in await tx.rows(SELECT_OTHERS, values)},
    )

"""The import of one uploaded roster: claimed under a lease, read, run, told as a task."""

import asyncio
from uuid import UUID, uuid4

import structlog

from gateway.permits import ImportPermit
from gateway.roster_import import structure
from gateway.roster_import import upload as import_upload
from gateway.roster_import.importer import KIND, LEASE_SECONDS, Import, finish
from gateway.roster_import.oneroster import Known, RosterRefused, read
from shared.error_report import describe
from shared.errors import LeaseLost
from shared.events import Envelope
from shared.jobs.task_status import track
from shared.persistence.database_errors import infrastructure
from shared.transactions.unit_of_work import Transaction, Transactions

log = structlog.get_logger()

MOST_ATTEMPTS = 4

CLAIM = """
UPDATE import_job SET lease = %(lease)s, attempts = attempts + 1,
    leased_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE task_id = %(task_id)s AND finished_at IS NULL AND leased_until < clock_timestamp() RETURNING attempts
"""
FORSAKEN = """
UPDATE import_job SET leased_until = '-infinity'
WHERE finished_at IS NULL AND leased_until < clock_timestamp() - interval '2 seconds' RETURNING task_id
"""
KNOWN_USERS = """
SELECT p.sourced_id, bool_or(m.role = 'student') AS student, bool_or(m.role = 'guardian') AS guardian
FROM person p LEFT JOIN membership m USING (person_id)
WHERE p.sourced_id IS NOT NULL AND p.active GROUP BY p.sourced_id
"""
KNOWN_CLASSES = """
SELECT c.sourced_id, s.sourced_id AS school FROM school_class c JOIN school s USING (school_id)
WHERE c.active AND c.sourced_id IS NOT NULL AND s.sourced_id IS NOT NULL
"""
KNOWN_TERMS = "SELECT DISTINCT sourced_id FROM term WHERE sourced_id IS NOT NULL"
ERASED = "SELECT sourced_id FROM person WHERE erased_at IS NOT NULL AND sourced_id IS NOT NULL"


async def run(permit: ImportPermit, cause: Envelope, transactions: Transactions) -> None:
    """Import what a permit names; a job that is finished or in other hands is left alone."""
    lease = uuid4()
    async with transactions.begin(cause) as tx:
        job = await tx.row(CLAIM, {"task_id": permit.task_id, "lease": lease, "seconds": LEASE_SECONDS})
        if job is None:
            return
        known = await _known(tx)
        upload = await import_upload.fetch(tx, permit.task_id)
    try:
        with upload, await asyncio.to_thread(read, upload, known=known) as roster:
            await Import(permit.task_id, lease, cause, transactions, roster).run()
    except RosterRefused as refusal:
        await _fail(transactions, permit.task_id, lease, cause, str(refusal))
    except Exception as problem:
        if infrastructure(problem) or isinstance(problem, LeaseLost) or job["attempts"] < MOST_ATTEMPTS:
            raise
        log.exception("import.given_up", task_id=str(permit.task_id))
        await _fail(transactions, permit.task_id, lease, cause, f"given up after {MOST_ATTEMPTS}: {describe(problem)}")


async def _fail(transactions: Transactions, task_id: UUID, lease: UUID, cause: Envelope, error: str) -> None:
    async with transactions.begin(cause) as tx:
        await finish(tx, task_id, lease)
        await track(tx, task_id, school_id=None, kind=KIND, state="failed", error=error)


async def resume_forsaken(transactions: Transactions) -> None:
    """Let imports go on whose worker is gone."""
    async with transactions.begin() as tx:
        for row in await tx.rows(FORSAKEN):
            tx.permit(ImportPermit(task_id=row["task_id"]), "imports")


async def _known(tx: Transaction) -> Known:
    users = await tx.rows(KNOWN_USERS)
    return Known(
        schools=frozenset(await structure.school_ids(tx)),
        users=frozenset(row["sourced_id"] for row in users),
        students=frozenset(row["sourced_id"] for row in users if row["student"]),
        guardians=frozenset(row["sourced_id"] for row in users if row["guardian"]),
        classes={row["sourced_id"]: row["school"] for row in await tx.rows(KNOWN_CLASSES)},
        terms=frozenset(row["sourced_id"] for row in await tx.rows(KNOWN_TERMS)),
        erased=frozenset(row["sourced_id"] for row in await tx.rows(ERASED)),
    )

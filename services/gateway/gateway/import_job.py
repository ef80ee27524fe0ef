"""The import of one uploaded roster: leased, resumable, told as a task."""

import asyncio
import io
from collections.abc import Iterator
from itertools import islice
from typing import Any
from uuid import UUID, uuid4

import structlog

from gateway import importing
from gateway.roster import Known, Mode, Person, Rejected, Roster, RosterRefused, Status, Student, read
from gateway.work import ImportPermit
from shared.db import infrastructure
from shared.errors import LeaseLost
from shared.events import Envelope
from shared.retries import describe
from shared.tracking import track
from shared.transaction import Transaction, Transactions

log = structlog.get_logger()

KIND = "import.oneroster"
CHUNK = 1_000
LEASE_SECONDS = 30
MOST_ATTEMPTS = 4

CLAIM = """
UPDATE import_job SET lease = %(lease)s, attempts = attempts + 1,
    leased_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE task_id = %(task_id)s AND finished_at IS NULL AND leased_until < clock_timestamp() RETURNING content, attempts
"""
# Filtered by lease: a worker that was given up must not write beside its successor.
HOLD = """
UPDATE import_job SET leased_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE task_id = %(task_id)s AND lease = %(lease)s AND finished_at IS NULL RETURNING task_id
"""
FINISH = """
UPDATE import_job SET finished_at = clock_timestamp(), content = NULL
WHERE task_id = %(task_id)s AND lease = %(lease)s AND finished_at IS NULL RETURNING task_id
"""
FORSAKEN = """
UPDATE import_job SET leased_until = '-infinity'
WHERE finished_at IS NULL AND leased_until < clock_timestamp() - interval '2 seconds' RETURNING task_id
"""
REJECTED = """
INSERT INTO import_rejection (task_id, number, file, line, "column", reason, scope)
SELECT %(task_id)s, * FROM unnest(%(numbers)s::int[], %(files)s::text[], %(lines)s::int[], %(columns)s::text[],
                                  %(reasons)s::text[], %(scopes)s::text[])
ON CONFLICT DO NOTHING
"""
KNOWN_USERS = """
SELECT p.sourced_id, bool_or(m.role = 'student') AS student, bool_or(m.role = 'guardian') AS guardian
FROM person p LEFT JOIN membership m USING (person_id) WHERE p.sourced_id IS NOT NULL AND p.active
GROUP BY p.sourced_id
"""

ERASED = "SELECT sourced_id FROM person WHERE erased_at IS NOT NULL AND sourced_id IS NOT NULL"


async def run(permit: ImportPermit, cause: Envelope, transactions: Transactions) -> None:
    """Import what a permit names; a job that is finished or in other hands is left alone."""
    lease = uuid4()
    async with transactions.begin(cause) as tx:
        job = await tx.row(CLAIM, {"task_id": permit.task_id, "lease": lease, "seconds": LEASE_SECONDS})
        if job is None:
            return
        known = await _known(tx)
    try:
        roster = await asyncio.to_thread(read, io.BytesIO(bytes(job["content"])), known=known)
        with roster:
            _check_usable(roster)
            await Import(permit.task_id, lease, cause, transactions, roster).run()
    except RosterRefused as refusal:
        await _fail(transactions, permit.task_id, lease, cause, str(refusal))
    except Exception as problem:
        if infrastructure(problem) or isinstance(problem, LeaseLost) or job["attempts"] < MOST_ATTEMPTS:
            raise
        log.exception("import.given_up", task_id=str(permit.task_id))
        await _fail(transactions, permit.task_id, lease, cause, f"given up after {MOST_ATTEMPTS}: {describe(problem)}")


def _check_usable(roster: Roster) -> None:
    """Changes in roles.csv cannot be merged yet; to take half of them would lose memberships."""
    changed = [name for name in ("users.csv", "roles.csv") if roster.modes.get(name) is Mode.DELTA]
    if roster.version != "1.1" and changed:
        raise RosterRefused(
            "delta_not_supported",
            f"{' and '.join(changed)}: changes only (delta) are taken in OneRoster 1.1; upload 1.2 as bulk",
        )


async def _fail(transactions: Transactions, task_id: UUID, lease: UUID, cause: Envelope, error: str) -> None:
    async with transactions.begin(cause) as tx:
        await _finish(tx, task_id, lease)
        await track(tx, task_id, school_id=None, kind=KIND, state="failed", error=error)


async def resume_forsaken(transactions: Transactions) -> None:
    """Let imports go on whose worker is gone."""
    async with transactions.begin() as tx:
        for row in await tx.rows(FORSAKEN):
            tx.permit(ImportPermit(task_id=row["task_id"]), "imports")


class Import:
    """One run over one roster. Every chunk is one commit, and a second run finds the first one's rows unchanged."""

    def __init__(self, task_id: UUID, lease: UUID, cause: Envelope, transactions: Transactions, roster: Roster) -> None:
        self._task_id = task_id
        self._lease = lease
        self._cause = cause
        self._transactions = transactions
        self._roster = roster
        self._complete = roster.modes.get("users.csv") is Mode.BULK
        self._done = 0
        self._seen: set[str] = set()
        self._doomed: set[str] = set()
        self._counts = dict.fromkeys(("schools", "people", "students", "ended", "unchanged", "rejected"), 0)

    async def run(self) -> None:
        """Schools, people, students; then those who left; then the result."""
        async with self._transactions.begin(self._cause) as tx:
            await self._hold(tx)
            self._counts["schools"] = await importing.schools(tx, self._roster.orgs)
            self._schools = await importing.school_ids(tx)
            self._about = [self._schools[org.sourced_id] for org in self._roster.orgs if org.is_school]
        await self._people()
        await self._students()
        async with self._transactions.begin(self._cause) as tx:
            await self._hold(tx)
            if self._complete:
                kept = self._seen | self._roster.kept("users.csv")
                self._counts["ended"] = await importing.end_all_but(tx, kept, self._about)
            elif self._doomed:
                self._counts["ended"] = await importing.end(tx, self._doomed)
        await self._conclude()

    async def _people(self) -> None:
        chunks = self._roster.people()
        while chunk := await asyncio.to_thread(_take, chunks):
            present = [person for person in chunk if person.status is Status.ACTIVE]
            self._doomed.update(person.sourced_id for person in chunk if person.status is not Status.ACTIVE)
            self._seen.update(person.sourced_id for person in present)
            async with self._transactions.begin(self._cause) as tx:
                await self._hold(tx)
                changed = await importing.people(tx, present, self._schools, self._about)
                self._counts["people"] += changed
                self._counts["unchanged"] += len(present) - changed
                await self._tell(tx, len(chunk))

    async def _students(self) -> None:
        chunks = self._roster.people()
        while chunk := await asyncio.to_thread(_take, chunks):
            pupils = [p for p in chunk if isinstance(p, Student) and p.status is Status.ACTIVE]
            async with self._transactions.begin(self._cause) as tx:
                await self._hold(tx)
                if pupils:
                    self._counts["students"] += await importing.students(
                        tx, pupils, self._schools, complete=self._complete
                    )
                await self._tell(tx, len(chunk))

    async def _conclude(self) -> None:
        rejected = self._roster.rejected
        self._counts["rejected"] = len(rejected)
        async with self._transactions.begin(self._cause) as tx:
            await _finish(tx, self._task_id, self._lease)
            await tx.execute(REJECTED, _complaints(self._task_id, rejected))
            total = 2 * self._roster.people_count
            await track(
                tx,
                self._task_id,
                school_id=None,
                kind=KIND,
                state="succeeded",
                done=total,
                total=total,
                result=dict(self._counts),
            )

    async def _hold(self, tx: Transaction) -> None:
        held = await tx.row(HOLD, {"task_id": self._task_id, "lease": self._lease, "seconds": LEASE_SECONDS})
        if held is None:
            raise LeaseLost(f"import {self._task_id} is in other hands")

    async def _tell(self, tx: Transaction, rows: int) -> None:
        self._done += rows
        total = 2 * self._roster.people_count
        await track(
            tx, self._task_id, school_id=None, kind=KIND, state="running", done=min(self._done, total), total=total
        )


def _take(people: Iterator[Person]) -> list[Person]:
    return list(islice(people, CHUNK))


async def _finish(tx: Transaction, task_id: UUID, lease: UUID) -> None:
    if await tx.row(FINISH, {"task_id": task_id, "lease": lease}) is None:
        raise LeaseLost(f"import {task_id} is in other hands")


async def _known(tx: Transaction) -> Known:
    users = await tx.rows(KNOWN_USERS)
    return Known(
        schools=frozenset(await importing.school_ids(tx)),
        users=frozenset(row["sourced_id"] for row in users),
        students=frozenset(row["sourced_id"] for row in users if row["student"]),
        guardians=frozenset(row["sourced_id"] for row in users if row["guardian"]),
        erased=frozenset(row["sourced_id"] for row in await tx.rows(ERASED)),
    )


def _complaints(task_id: UUID, rejected: tuple[Rejected, ...]) -> dict[str, Any]:
    return {
        "task_id": task_id,
        "numbers": list(range(1, len(rejected) + 1)),
        "files": [r.file for r in rejected],
        "lines": [r.line for r in rejected],
        "columns": [r.column for r in rejected],
        "reasons": [r.reason for r in rejected],
        "scopes": [str(r.scope) for r in rejected],
    }

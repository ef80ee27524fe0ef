"""How an import ends: done, refused, tried only, or waiting for a confirmation; with the rows that it did not use."""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from gateway.roster_import.oneroster import Roster, Scope
from shared.jobs.job import Job

MOST_NAMED = 50
"""So many new administrators a task names; it counts them all."""
NOTHING_USED = "not one row can be used; GET /v1/imports/{task_id}/rejected names each with its reason"
WAITING = timedelta(days=7)
"""An import that waits for a confirmation counts again after so long, and waits further or goes on."""

# Mark an import as waiting for a confirmation.
MARK_WAITING = "UPDATE import_job SET waiting = true WHERE task_id = %(task)s"
# Store the rejected rows, in the commit that ends the job.
INSERT_REJECTIONS = """
INSERT INTO import_rejection (task_id, number, file, line, "column", reason, scope)
SELECT %(task_id)s, * FROM unnest(%(numbers)s::int[], %(files)s::text[], %(lines)s::int[], %(columns)s::text[],
                                  %(reasons)s::text[], %(scopes)s::text[])
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Held:
    """What an import waits for: people whom it would end by school, and administrators whom a key would make."""

    endings: Sequence[Mapping[str, Any]]
    administrators: Sequence[Mapping[str, Any]]

    def __bool__(self) -> bool:
        return bool(self.endings or self.administrators)

    def shown(self) -> dict[str, Any]:
        """Return it as the result of a task shows it."""
        if not self.administrators:
            return {}
        named = list(self.administrators[:MOST_NAMED])
        return {"would_make_administrators": named, "administrators": len(self.administrators)}


async def succeed(job: Job, roster: Roster, counts: Mapping[str, int], total: int) -> None:
    """End the job successfully, with what was changed by kind."""
    async with job.commit() as tx:
        await tx.execute(INSERT_REJECTIONS, _complaints(job, roster))
        await job.succeed(tx, result={**counts, **_named(roster)}, done=total, total=total)


async def wait(job: Job, held: Held) -> None:
    """Let the import wait, and say what it would end, and whom it would make an administrator."""
    waits = {"waits_for": "confirmation", "would_end": list(held.endings)} | held.shown()
    async with job.commit() as tx:
        await tx.execute(MARK_WAITING, {"task": job.task.task_id})
        await job.wait(tx, WAITING.total_seconds(), waits)


async def refuse(job: Job, roster: Roster) -> None:
    """End the job as failed, with the reason of each row."""
    async with job.commit() as tx:
        await tx.execute(INSERT_REJECTIONS, _complaints(job, roster))
        await job.fail(tx, NOTHING_USED.format(task_id=job.task.task_id))


async def report_dry_run(job: Job, roster: Roster, endings: Sequence[Mapping[str, Any]], held: Held) -> None:
    """End the job with what an import would do; nothing of the directory is written."""
    await asyncio.to_thread(deque, roster.enrolments(), 0)
    result = {"dry_run": True, "would_end": list(endings), "would_wait": bool(held)} | held.shown() | _named(roster)
    async with job.commit() as tx:
        await tx.execute(INSERT_REJECTIONS, _complaints(job, roster))
        await job.succeed(tx, result=result)


def _named(roster: Roster) -> dict[str, Any]:
    """Return what the result of a task says about rows, values and columns that were not used."""
    rejected = roster.rejected
    values = sum(1 for each in rejected if each.scope is Scope.VALUE)
    found: dict[str, Any] = {"rejected": len(rejected) - values, "values_named": values}
    if roster.near_columns:
        found["columns_ignored"] = [asdict(each) for each in roster.near_columns]
    return found


def _complaints(job: Job, roster: Roster) -> dict[str, Any]:
    rows = roster.rejected
    return {
        "task_id": job.task.task_id,
        "numbers": list(range(1, len(rows) + 1)),
        "files": [r.file for r in rows],
        "lines": [r.line for r in rows],
        "columns": [r.column for r in rows],
        "reasons": [r.reason for r in rows],
        "scopes": [str(r.scope) for r in rows],
    }

"""A whole roster: the time until 100,000 people are imported while the relay runs, and until all is published.

The gateway runs in this process, as in production: the importer, the relay and the loop share one core.
"""

import asyncio
import io
import resource
import time
from typing import Any
from uuid import UUID, uuid4

from benchmarks import roster_generator
from benchmarks.harness import Lab, Report
from gateway.main import build
from gateway.roster_import import job
from gateway.roster_import.upload import Order
from gateway.settings import Settings
from shared.service.service import Service
from shared.testing.fixtures import declare, running

STATE = "SELECT finished_at IS NOT NULL AS over FROM import_job WHERE task_id = %s"
LEFT = "SELECT count(*) AS n FROM outbox"
FOUND = """
SELECT (SELECT count(*) FROM person) AS people, (SELECT count(*) FROM student WHERE told) AS students,
       (SELECT count(*) FROM enrolment) AS enrolments, (SELECT sum(directory_version)::bigint FROM school) AS positions,
       (SELECT count(*) FROM import_rejection) AS rejected
"""
KIB = 1024


async def run(lab: Lab, report: Report) -> None:
    """100,000 people with classes and guardians in ≤ 60 s, tried or done; the same again ≤ 20 s; memory ≤ 300 MB."""
    people = lab.size(100_000, 400)
    upload = roster_generator.pack(people)
    with lab.backing(["gateway"]) as backing:
        environment: dict[str, Any] = {name.lower(): value for name, value in backing.environment("gateway").items()}
        service = build(Settings(**environment))
        await declare(backing.amqp_url, service.topology())
        async with running(service):
            before = _peak()
            dry = await _imported(service, upload, Order(dry_run=True))
            report.exactly("people that a dry run writes", (await _rows(service, FOUND))[0]["people"], "", 0)
            report.at_most(f"dry run of {people:,} people", dry, "s", 60)
            first = await _imported(service, upload)
            lab.say(f"{people:,} people imported in {first:.1f} s")
            published = first + await _drained(service)
            report.at_most(f"{people:,} people imported, relay beside it", first, "s", 60)
            report.figure("… and every event confirmed by the broker", published, "s")
            report.at_most("memory of the process at its peak, more than before", _peak() - before, "MB", 300)
            report.at_most("the same upload again, nothing changed", await _imported(service, upload), "s", 20)
            found = (await _rows(service, FOUND))[0]
            pupils = roster_generator.students(people)
            report.exactly("people", found["people"], "", people)
            report.exactly("students published, once each", found["students"], "", pupils)
            report.exactly("rows rejected", found["rejected"], "", 0)
            # A position for each school, calendar, person and student; each belongs to one school here.
            report.exactly("positions given", found["positions"], "", people + pupils + 2 * roster_generator.SCHOOLS)


async def _imported(service: Service, upload: bytes, order: Order | None = None) -> float:
    """Return the seconds from the commit of an upload to the commit that ends its import."""
    task = uuid4()
    async with service.transactions.begin() as tx:
        await job.open_import(tx, task, io.BytesIO(upload), order or Order())
        job.permit(tx, task)
    started = time.perf_counter()
    while not (await _rows(service, STATE, task))[0]["over"]:
        await asyncio.sleep(0.1)
    return time.perf_counter() - started


async def _drained(service: Service) -> float:
    started = time.perf_counter()
    while (await _rows(service, LEFT))[0]["n"]:
        await asyncio.sleep(0.2)
    return time.perf_counter() - started


async def _rows(service: Service, query: str, *values: UUID) -> list[dict[str, Any]]:
    async with service.transactions.begin() as tx:
        return await tx.rows(query, values or None)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB

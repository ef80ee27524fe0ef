"""One run over one roster: chunk by chunk, each chunk one commit; a second run finds the first one's rows unchanged."""

from gateway.roster_import import outcome, steps, structure
from gateway.roster_import.administrators import find_new_administrators
from gateway.roster_import.endings import Bound, count_endings, held_endings
from gateway.roster_import.oneroster import Roster, Status
from gateway.roster_import.people import Place
from gateway.roster_import.run import Progress, Run
from gateway.roster_import.sources import adopt
from gateway.roster_import.upload import Order
from shared.jobs.job import Job
from shared.transactions.unit_of_work import UnitOfWork

CHUNK = 2_000
ORDER, BOUND = Order(), Bound()
COUNTED = ("schools", "calendars", "classes", "people", "students", "enrolments", "ended", "unchanged")


async def import_roster(
    job: Job, roster: Roster, chunk: int = CHUNK, order: Order = ORDER, bound: Bound = BOUND, source: str = ""
) -> None:
    """Import everything and end the job; a row is written after those that it refers to.

    It ends or waits before anything is written if no row can be used, if too many people would end, or if a program
    would make administrators.
    """
    if roster.refused_whole:
        await outcome.refuse(job, roster)
        return
    async with job.commit() as tx:
        place = await _place(tx, roster, source)
        endings = await count_endings(tx, roster, place)
        administrators = await find_new_administrators(tx, roster, place) if order.by_key else []
    held = outcome.Held(list(held_endings(endings, bound)), [each.shown() for each in administrators])
    if order.dry_run:
        await outcome.report_dry_run(job, roster, [ending.shown() for ending in endings], held)
    elif held and not order.confirmed:
        await outcome.wait(job, held)
    else:
        await _import(job, roster, chunk, source)


async def _import(job: Job, roster: Roster, chunk: int, source: str) -> None:
    counts = dict.fromkeys(COUNTED, 0)
    total = roster.people_count + roster.student_count + roster.enrolment_count
    async with job.commit() as tx:
        counts["schools"] = await structure.schools(tx, roster.orgs, source)
        place = await _place(tx, roster, source)
        await adopt(tx, roster, place)
    run = Run(job, roster, place, Progress(job, total), chunk)
    counts["calendars"] = await steps.terms(run)
    counts["classes"], ended_classes = await steps.classes(run)
    people = await steps.people(run)
    counts["unchanged"] = people.unchanged
    counts["people"] = people.changed + await steps.roles(run)
    counts["enrolments"], ended_enrolments = await steps.enrolments(run)
    counts["students"] = await steps.students(run, people.students) + await steps.guardians(run, people.named)
    counts["ended"] = ended_classes + ended_enrolments + await steps.end_people(run, people)
    await steps.publish_students(run)
    if roster.refused_whole:
        await outcome.refuse(job, roster)
        return
    await outcome.succeed(job, roster, counts, total)


async def _place(tx: UnitOfWork, roster: Roster, source: str) -> Place:
    schools = await structure.school_ids(tx)
    named = (org.sourced_id for org in roster.orgs if org.is_school and org.status is Status.ACTIVE)
    return Place(source, schools, sorted(schools[name] for name in named if name in schools), roster.partly)

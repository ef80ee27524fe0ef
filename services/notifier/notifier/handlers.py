"""Handlers of events, permits and sweeps. None of them waits for a provider."""

from collections.abc import Sequence

from notifier.directory import erasure, projection
from notifier.escalation import escalation
from notifier.permits import PlanPermit
from notifier.planning import cancellation, corrections, planner
from notifier.sending import claims, quiet_hours, windows
from shared.consumers.final_failure import FinalFailure
from shared.events import DirectoryEvent, Envelope, Event, NotificationIntent, TaskCancelRequested
from shared.events.notifications import SEND_TASK
from shared.jobs.task_status import track
from shared.service.failed_tasks import fail_task
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

NOT_PROCESSED = "it could not be processed, and nothing was sent"


async def remember_directory(events: Sequence[Event], tx: UnitOfWork) -> None:
    """Keep the copy of the directory up to date, and issue permits for notifications that waited for it."""
    await projection.apply_events(events, tx)
    touched = {school for e in events if isinstance(e, DirectoryEvent) for school in e.positions}
    if touched:
        await planner.permit_ready(tx, sorted(touched))


async def plan(event: NotificationIntent, tx: UnitOfWork) -> None:
    """Register an intent and plan it, immediately if the directory is complete enough.

    The task's row is written before a cancel of it is looked for: one at this moment waits for that row, or made us
    wait. One that came first stops the notification.
    """
    if await planner.accept(tx, event):
        return
    if not await track(tx, event.task_id, school_id=event.school_id, kind=SEND_TASK, state="queued"):
        await cancellation.cancel_task(tx, event.task_id)


async def plan_waiting(permit: PlanPermit, cause: Envelope, transactions: UnitOfWorkFactory) -> None:
    """Plan a notification that had to wait; one that is planned already, or must wait longer, is left unchanged."""
    async with transactions.begin(cause) as tx:
        await corrections.lock_record_of(tx, permit.notification_id)
        await planner.plan_if_ready(tx, permit.notification_id)


async def fail_intent(failure: FinalFailure, tx: UnitOfWork) -> None:
    """End a notification whose message failed for good; if its content cannot be stored, at least its task."""
    problem = f"{NOT_PROCESSED}: {failure.reason}"
    if isinstance(failure.content, NotificationIntent):
        await planner.fail_intent(tx, failure.content, problem)
    elif isinstance(failure.content, PlanPermit):
        await planner.fail_waiting(tx, failure.content.notification_id, problem)
    else:
        await fail_task(SEND_TASK, NOT_PROCESSED)(failure, tx)


async def cancel(event: TaskCancelRequested, tx: UnitOfWork) -> None:
    """Cancel the notification of a task; if it is not known yet, the ended task is the tombstone."""
    if event.kind != SEND_TASK or await cancellation.cancel_task(tx, event.task_id):
        return
    await track(tx, event.task_id, school_id=event.school_id, kind=SEND_TASK, state="cancelled")
    # The intent may have been planned while we waited for the task's row; from now on it cannot be.
    await cancellation.cancel_task(tx, event.task_id)


async def tend(transactions: UnitOfWorkFactory, patience: float) -> None:
    """Repair what was lost (permits, leases of dead workers, wake-ups) and end what is over or waited too long."""
    async with transactions.begin() as tx:
        await claims.reclaim_expired(tx)
    async with transactions.begin() as tx:
        await cancellation.end_overdue(tx)
    async with transactions.begin() as tx:
        await quiet_hours.release_quiet_hours(tx)
    async with transactions.begin() as tx:
        await windows.top_up(tx)
    async with transactions.begin() as tx:
        await planner.permit_ready(tx)
        await planner.fail_overdue(tx, patience)


async def escalate(transactions: UnitOfWorkFactory) -> None:
    """Take the next step for must-reach notifications that were not read in time."""
    async with transactions.begin() as tx:
        await escalation.advance_due_cases(tx)


async def erase(transactions: UnitOfWorkFactory) -> None:
    """Remove what is left of people who were erased."""
    async with transactions.begin() as tx:
        await erasure.erase_people(tx)

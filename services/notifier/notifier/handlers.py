"""Event → decide → store → emit. Nothing here waits for the outside world."""

from collections.abc import Sequence
from uuid import UUID

from notifier.directory import erasure, projection
from notifier.escalation import escalation
from notifier.permits import PlanPermit
from notifier.planning import cancel, corrections, planner
from notifier.sending import quiet_hours
from shared.events import DirectoryEvent, Envelope, Event, NotificationIntent, TaskCancelRequested
from shared.jobs.task_status import has_ended, track
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory


async def remember_directory(events: Sequence[Event], tx: UnitOfWork) -> None:
    """Keep the copy of the directory in step, and let go on what waited for just these versions."""
    await projection.apply(events, tx)
    touched = {school for e in events if isinstance(e, DirectoryEvent) for school in e.positions}
    if touched:
        await planner.wake_waiting(tx, sorted(touched))


async def plan(event: NotificationIntent, tx: UnitOfWork) -> None:
    """Remember the request and plan it, at once if the directory has come far enough."""
    if not await planner.receive(tx, event):
        await planner.settle(tx, event.notification_id, 0)
        return
    if not await planner.plan_if_ready(tx, event.notification_id):
        await track(tx, event.task_id, school_id=event.school_id, kind=planner.KIND, state="queued")
    await _heed(tx, event.task_id)


async def _heed(tx: UnitOfWork, task_id: UUID) -> None:
    """A task that was cancelled before we heard of it is not begun. One that has just ended well is too late for that.

    Asked after the task's row has been written: whoever cancels it at this moment waits for us, or we for them.
    """
    if await has_ended(tx, task_id):
        await cancel.cancel_task(tx, task_id)


async def stop(event: TaskCancelRequested, tx: UnitOfWork) -> None:
    """Stop the notification of a task; for one that is not known yet the task's end is the tombstone."""
    if event.kind != planner.KIND or await cancel.cancel_task(tx, event.task_id):
        return
    await track(tx, event.task_id, school_id=event.school_id, kind=planner.KIND, state="cancelled")
    # Its intent may have been planned while we waited for the task's row: looked at again, now that nobody can.
    await cancel.cancel_task(tx, event.task_id)


async def plan_waiting(permit: PlanPermit, cause: Envelope, transactions: UnitOfWorkFactory) -> None:
    """Plan what had to wait; planned meanwhile or still too early, it changes nothing."""
    async with transactions.begin(cause) as tx:
        await corrections.lock(tx, permit.notification_id)
        if await planner.plan_if_ready(tx, permit.notification_id) and cause.task_id:
            await _heed(tx, cause.task_id)


async def tend(transactions: UnitOfWorkFactory, patience: float) -> None:
    """Make good what was lost: permits, leases of dead workers, wake-ups; end what is over or waited too long."""
    async with transactions.begin() as tx:
        await planner.expire_attempts(tx)
    async with transactions.begin() as tx:
        await cancel.end_what_is_over(tx)
    async with transactions.begin() as tx:
        await quiet_hours.let_go(tx)
    async with transactions.begin() as tx:
        await planner.top_up(tx)
        await quiet_hours.top_up(tx)
    async with transactions.begin() as tx:
        await planner.wake_waiting(tx)
        await planner.give_up(tx, patience)


async def escalate(transactions: UnitOfWorkFactory) -> None:
    """Ask the next people about what nobody has read in time."""
    async with transactions.begin() as tx:
        await escalation.go_on(tx)


async def forget(transactions: UnitOfWorkFactory) -> None:
    """Take out what is left of people who were erased."""
    async with transactions.begin() as tx:
        await erasure.forget(tx)

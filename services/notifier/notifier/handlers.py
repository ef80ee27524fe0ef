"""Event → decide → store → emit. Nothing here waits for the outside world."""

from collections.abc import Sequence
from uuid import UUID

from notifier import directory, escalation, forgetting, holding, retraction, stopping, store
from notifier.work import PlanPermit
from shared.events import DirectoryEvent, Envelope, Event, NotificationIntent, TaskCancelRequested
from shared.jobs.task_status import ended, track
from shared.transactions.unit_of_work import Transaction, Transactions


async def remember_directory(events: Sequence[Event], tx: Transaction) -> None:
    """Keep the copy of the directory in step, and let go on what waited for just these versions."""
    await directory.apply(events, tx)
    touched = {school for e in events if isinstance(e, DirectoryEvent) for school in e.positions}
    if touched:
        await store.wake_waiting(tx, sorted(touched))


async def plan(event: NotificationIntent, tx: Transaction) -> None:
    """Remember the request and plan it, at once if the directory has come far enough."""
    if not await store.receive(tx, event):
        await store.settle(tx, event.notification_id, 0)
        return
    if not await store.plan_if_ready(tx, event.notification_id):
        await track(tx, event.task_id, school_id=event.school_id, kind=store.KIND, state="queued")
    await _heed(tx, event.task_id)


async def _heed(tx: Transaction, task_id: UUID) -> None:
    """A task that was cancelled before we heard of it is not begun. One that has just ended well is too late for that.

    Asked after the task's row has been written: whoever cancels it at this moment waits for us, or we for them.
    """
    if await ended(tx, task_id):
        await stopping.cancel_task(tx, task_id)


async def stop(event: TaskCancelRequested, tx: Transaction) -> None:
    """Stop the notification of a task; for one that is not known yet the task's end is the tombstone."""
    if event.kind != store.KIND or await stopping.cancel_task(tx, event.task_id):
        return
    await track(tx, event.task_id, school_id=event.school_id, kind=store.KIND, state="cancelled")
    # Its intent may have been planned while we waited for the task's row: looked at again, now that nobody can.
    await stopping.cancel_task(tx, event.task_id)


async def plan_waiting(permit: PlanPermit, cause: Envelope, transactions: Transactions) -> None:
    """Plan what had to wait; planned meanwhile or still too early, it changes nothing."""
    async with transactions.begin(cause) as tx:
        await retraction.lock(tx, permit.notification_id)
        if await store.plan_if_ready(tx, permit.notification_id) and cause.task_id:
            await _heed(tx, cause.task_id)


async def tend(transactions: Transactions, patience: float) -> None:
    """Make good what was lost: permits, leases of dead workers, wake-ups; end what is over or waited too long."""
    async with transactions.begin() as tx:
        await store.expire_attempts(tx)
    async with transactions.begin() as tx:
        await stopping.end_what_is_over(tx)
    async with transactions.begin() as tx:
        await holding.let_go(tx)
    async with transactions.begin() as tx:
        await store.top_up(tx)
        await holding.top_up(tx)
    async with transactions.begin() as tx:
        await store.wake_waiting(tx)
        await store.give_up(tx, patience)


async def escalate(transactions: Transactions) -> None:
    """Ask the next people about what nobody has read in time."""
    async with transactions.begin() as tx:
        await escalation.go_on(tx)


async def forget(transactions: Transactions) -> None:
    """Take out what is left of people who were erased."""
    async with transactions.begin() as tx:
        await forgetting.forget(tx)

"""Event → decide → store → emit. Nothing here waits for the outside world."""

from collections.abc import Sequence

from notifier import directory, store
from notifier.work import PlanPermit
from shared.events import DirectoryEvent, Envelope, Event, NotificationIntent
from shared.tracking import track
from shared.transaction import Transaction, Transactions


async def remember_directory(events: Sequence[Event], tx: Transaction) -> None:
    """Keep the copy of the directory in step, and let go on what waited for just these versions."""
    await directory.apply(events, tx)
    touched = {school for e in events if isinstance(e, DirectoryEvent) for school in e.positions}
    if touched:
        await store.wake_waiting(tx, sorted(touched))


async def plan(event: NotificationIntent, tx: Transaction) -> None:
    """Remember the request and plan it, at once if the directory has come far enough."""
    await store.receive(tx, event)
    if not await store.plan_if_ready(tx, event.notification_id):
        await track(tx, event.task_id, school_id=event.school_id, kind=store.KIND, state="queued")


async def plan_waiting(permit: PlanPermit, cause: Envelope, transactions: Transactions) -> None:
    """Plan what had to wait; planned meanwhile or still too early, it changes nothing."""
    async with transactions.begin(cause) as tx:
        await store.plan_if_ready(tx, permit.notification_id)


async def tend(transactions: Transactions, patience: float) -> None:
    """Make good what was lost: permits, leases of dead workers, wake-ups; fail what waited too long."""
    async with transactions.begin() as tx:
        await store.expire_attempts(tx)
        await store.top_up(tx)
    async with transactions.begin() as tx:
        await store.wake_waiting(tx)
        await store.give_up(tx, patience)

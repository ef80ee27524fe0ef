"""Performs permits: claims due deliveries, hands them to a batch, and gives the permit for the ones after them."""

from collections.abc import Mapping
from uuid import uuid4

from notifier.content import templates
from notifier.domain.delivery import lane
from notifier.permits import DigestPermit, SendPermit
from notifier.planning import planner
from notifier.sending import digests
from notifier.sending import sql as sending_sql
from notifier.sending.batch import Batch, Unit, tries_of
from notifier.sending.provider_limiter import Line
from shared.events import Envelope
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

URGENT_TURN = -1
"""Before everybody; else it is the turn of whoever has been served least, and has least left."""
LEFT_WEIGHS = 10
"""What is left counts a tenth of what was served: of two that begin together the small one goes first."""


def turn_of(planned: int, left: int) -> int:
    """Where the next delivery of a notification stands in its line: the lowest goes first."""
    return planned - left + left // LEFT_WEIGHS


async def perform(
    permit: SendPermit, cause: Envelope, transactions: UnitOfWorkFactory, lines: Mapping[str, Line], limit: int
) -> None:
    """Send the next deliveries of a window; the last flush carries the permit for the ones after them."""
    line, lease = lines[permit.channel], uuid4()
    values = {"notification_id": permit.notification_id, "channel": permit.channel}
    async with transactions.begin(cause) as tx:
        if (pause := line.waits()) > 0:
            # Nothing is claimed from a provider that is left alone: waiting costs a delivery nothing.
            await tx.execute(sending_sql.PERMITTED, values | {"seconds": pause})
            if line.refused:
                await planner.warn(tx, permit.notification_id, line.refused)
            return
        notification, rows = await planner.claim(tx, permit, lease=lease, limit=limit, seconds=line.lease)
    if notification is None or not rows:
        return
    urgent = notification["urgent"]
    begin = turn_of(notification["round_planned"], notification["outstanding"])
    units = [
        Unit(notification, row, (row["delivery_id"],), tries_of([row]), begin + nth) for nth, row in enumerate(rows)
    ]

    async def go_on(tx: UnitOfWork) -> None:
        tx.permit(permit, lane(permit.channel, urgent=urgent))

    async def permitted(tx: UnitOfWork) -> None:
        await tx.execute(sending_sql.PERMITTED, values | {"seconds": line.lease})

    batch = Batch(line, transactions, cause, lease, units, go_on, permitted, stops_with=permit.notification_id)
    await batch.run(URGENT_TURN if urgent else None)


async def perform_digests(
    permit: DigestPermit, cause: Envelope, transactions: UnitOfWorkFactory, lines: Mapping[str, Line], limit: int
) -> None:
    """Send the next morning digests of a school; every item keeps its own state and shares the digest's outcome."""
    line, lease = lines[permit.channel], uuid4()
    values = permit.model_dump()
    async with transactions.begin(cause) as tx:
        window = await tx.row(sending_sql.WINDOW, values)
        if window is None:
            return
        if (pause := line.waits()) > 0:
            await tx.execute(sending_sql.PERMITTED_DIGESTS, values | {"seconds": pause})
            return
        due = values | {"lease": lease, "limit": limit, "seconds": line.lease}
        rows = await tx.rows(sending_sql.CLAIM_DIGESTS, due)
        await planner.settle_stopped(tx, rows)
        mine = [row for row in rows if row["state"] == "sending"]
        ids = sorted({row["notification_id"] for row in mine})
        found = {n["notification_id"]: n for n in await tx.rows(sending_sql.NOTIFICATIONS, {"ids": ids})}
        template = await templates.in_force(tx, permit.school_id, digests.NAME)
        await tx.execute(sending_sql.PERMITTED_DIGESTS, values | {"seconds": planner.PERMIT_SECONDS if mine else 0.0})
    if not mine:
        return

    async def go_on(tx: UnitOfWork) -> None:
        tx.permit(permit, f"{permit.channel}.digest")

    async def permitted(tx: UnitOfWork) -> None:
        await tx.execute(sending_sql.PERMITTED_DIGESTS, values | {"seconds": line.lease})

    batch = Batch(line, transactions, cause, lease, digests.units(mine, found, template), go_on, permitted)
    await batch.run(None)

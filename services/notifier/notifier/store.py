"""Every move of a notification as one call: the statements are in `planning` and `sending`, the commits elsewhere."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from notifier import planning, rendering, sending
from notifier.domain import MAX_ATTEMPTS, lane
from notifier.work import PlanPermit, SendPermit
from shared.events import NotificationCompleted, NotificationIntent, NotificationPlanned
from shared.tracking import track
from shared.transaction import Transaction

WINDOW = 2
"""Permits on their way per notification and channel: a big send never fills a lane."""
PERMIT_SECONDS = 10.0
KIND = "notification.send"


async def receive(tx: Transaction, event: NotificationIntent) -> None:
    """Remember what was asked for; a repeat changes nothing."""
    values = event.model_dump()
    escalation = event.escalation.model_dump(mode="json") if event.escalation else None
    await tx.execute(
        planning.RECEIVE,
        values
        | {
            "audience": Jsonb(event.audience.model_dump(mode="json")),
            "channels": list(event.channels),
            "data": Jsonb(event.data),
            "variables": Jsonb(event.variables),
            "escalation": Jsonb(escalation) if escalation else None,
        },
    )


async def plan_if_ready(tx: Transaction, notification_id: UUID) -> bool:
    """Plan a waiting notification if the directory is complete enough for it; False when it has to wait."""
    notification = await tx.row(planning.CLAIM, {"notification_id": notification_id})
    if notification is None:
        return False
    counts = await planning.deliveries(tx, notification)
    if (problem := await rendering.word(tx, notification)) is not None:
        await refuse(tx, notification, problem)
        return True
    planned = sum(row["n"] for row in counts)
    open_by_channel = {row["channel"]: row["n"] for row in counts if row["state"] == "pending"}
    outstanding = sum(open_by_channel.values())
    ids = {"notification_id": notification_id}
    await tx.execute(planning.PLANNED, ids | {"planned": planned, "outstanding": outstanding})
    for channel in open_by_channel:
        name = lane(channel, urgent=notification["urgent"])
        await tx.execute(planning.RELEASE, ids | {"channel": channel, "lane": name, "seconds": PERMIT_SECONDS})
        for _ in range(WINDOW):
            tx.permit(SendPermit(notification_id=notification_id, channel=channel), name)
    tx.emit(
        NotificationPlanned(
            notification_id=notification_id,
            school_id=notification["school_id"],
            task_id=notification["task_id"],
            planned=planned,
            suppressed=sum(row["n"] for row in counts if row["state"] == "suppressed"),
        )
    )
    await settle(tx, notification_id, 0, tell=True)
    return True


async def refuse(tx: Transaction, notification: dict[str, Any], problem: str) -> None:
    """End a notification that cannot be said: nobody was planned, and its task says why."""
    ids = {"notification_id": notification["notification_id"], "error": problem}
    await tx.execute(planning.REFUSE, ids)
    await track(
        tx, notification["task_id"], school_id=notification["school_id"], kind=KIND, state="failed", error=problem
    )


async def settle(tx: Transaction, notification_id: UUID, finished: int, *, tell: bool = False) -> None:
    """Take finished deliveries off the count; the last one completes the notification and its task."""
    row = await tx.row(sending.SETTLE, {"notification_id": notification_id, "finished": finished})
    if row is None or row["state"] not in ("sending", "completed"):
        return
    ended = row["state"] == "completed"
    if not (ended or tell or row["tell"]):
        return
    counts = await count(tx, notification_id) if ended else None
    await track(
        tx,
        row["task_id"],
        school_id=row["school_id"],
        kind=KIND,
        state="succeeded" if ended else "running",
        done=row["planned"] - row["outstanding"],
        total=row["planned"],
        result={"notification_id": str(notification_id), "counts": counts} if ended else None,
    )
    if counts is not None:
        tx.emit(
            NotificationCompleted(
                notification_id=notification_id,
                school_id=row["school_id"],
                task_id=row["task_id"],
                counts=counts,
            )
        )


async def count(tx: Transaction, notification_id: UUID) -> dict[str, dict[str, int]]:
    """Deliveries by channel and state."""
    counts: dict[str, dict[str, int]] = {}
    for row in await tx.rows(sending.COUNTS, {"notification_id": notification_id}):
        counts.setdefault(row["channel"], {})[row["state"]] = row["n"]
    return counts


async def claim(
    tx: Transaction, permit: SendPermit, *, lease: UUID, limit: int, seconds: float
) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """The notification and the next due deliveries, now `sending` under `lease`; stopped ones are settled."""
    values = {"notification_id": permit.notification_id, "channel": permit.channel}
    notification = await tx.row(sending.NOTIFICATION, values)
    if notification is None:
        return None, []
    rows = await tx.rows(sending.CLAIM, values | {"lease": lease, "limit": limit, "seconds": seconds})
    mine = [row for row in rows if row["state"] == "sending"]
    if len(rows) > len(mine):
        await settle(tx, permit.notification_id, len(rows) - len(mine))
    if rows:
        await tx.execute(sending.PERMITTED, values | {"seconds": PERMIT_SECONDS})
    return notification, mine


async def expire_attempts(tx: Transaction) -> int:
    """Give back what dead workers held; returns how many notifications were touched."""
    rows = await tx.rows(sending.EXPIRED, {"most": MAX_ATTEMPTS})
    for row in sorted(rows, key=lambda r: str(r["notification_id"])):
        if row["finished"]:
            await settle(tx, row["notification_id"], row["finished"])
    return len(rows)


async def top_up(tx: Transaction) -> int:
    """A permit for every window that has due rows and none under way; returns how many were given."""
    rows = await tx.rows(sending.TOP_UP, {"seconds": PERMIT_SECONDS})
    for row in rows:
        tx.permit(SendPermit(notification_id=row["notification_id"], channel=row["channel"]), row["lane"])
    return len(rows)


async def wake_waiting(tx: Transaction, schools: Sequence[UUID] | None = None) -> None:
    """Permits to plan what has been waiting for the directory."""
    for row in await tx.rows(planning.READY, {"schools": list(schools) if schools is not None else None}):
        tx.permit(PlanPermit(notification_id=row["notification_id"]), "planning")


async def give_up(tx: Transaction, patience: float) -> None:
    """Fail what has waited too long for the directory, naming the gap."""
    for row in await tx.rows(planning.GAVE_UP, {"seconds": patience}):
        await track(tx, row["task_id"], school_id=row["school_id"], kind=KIND, state="failed", error=row["error"])

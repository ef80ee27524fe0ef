"""Every move of a notification as one call: the statements are in `planning` and `sending`, the commits elsewhere."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from notifier.content import renderer
from notifier.domain.delivery import MOST_SILENT, lane
from notifier.escalation import escalation
from notifier.inbox import inbox
from notifier.permits import PlanPermit, SendPermit
from notifier.planning import corrections
from notifier.planning import sql as planning_sql
from notifier.sending import sql as sending_sql
from shared.events import NotificationCompleted, NotificationIntent, NotificationPlanned, TaskState
from shared.jobs.task_status import track
from shared.transactions.unit_of_work import UnitOfWork

WINDOW = 2
"""Permits on their way per notification and channel: a big send never fills a lane."""
PERMIT_SECONDS = 10.0
KIND = "notification.send"


async def receive(tx: UnitOfWork, event: NotificationIntent) -> bool:
    """Remember what was asked for; a repeat changes nothing. False when it had been stopped before it was heard of."""
    values = event.model_dump()
    must_reach = event.escalation.model_dump(mode="json") if event.escalation else None
    channels = list(event.channels)
    if must_reach and "inbox" not in channels:
        channels.append("inbox")  # where it is read
    row = await tx.row(
        planning_sql.RECEIVE,
        values
        | {
            "audience": Jsonb(event.audience.model_dump(mode="json")),
            "channels": channels,
            "data": Jsonb(event.data),
            "variables": Jsonb(event.variables),
            "escalation": Jsonb(must_reach) if must_reach else None,
        },
    )
    if row is not None and row["state"] == "cancelled":
        return False
    await _settle_all(tx, await corrections.received(tx, values))
    return True


async def plan_if_ready(tx: UnitOfWork, notification_id: UUID) -> bool:
    """Plan a waiting notification if the directory is complete enough for it; False when it has to wait."""
    notification = await tx.row(planning_sql.CLAIM, {"notification_id": notification_id})
    if notification is None:
        return False
    if notification["origin"] is not None:
        cleared, stopped = await corrections.cleared(tx, notification)
        await _settle_all(tx, stopped)
        if not cleared:
            await tx.execute(planning_sql.UNCLAIM, {"notification_id": notification_id})
            return False
    counts = await planning_sql.deliveries(tx, notification)
    if (problem := await renderer.word(tx, notification)) is not None:
        await refuse(tx, notification, problem)
        return True
    planned = await release(tx, notification, counts)
    tx.emit(
        NotificationPlanned(
            notification_id=notification_id,
            school_id=notification["school_id"],
            task_id=notification["task_id"],
            planned=planned,
            suppressed=sum(row["n"] for row in counts if row["state"] == "suppressed"),
        )
    )
    await inbox.announce(tx, notification)
    await escalation.open_cases(tx, notification)
    await settle(tx, notification_id, 0, tell=True)
    return True


async def _settle_all(tx: UnitOfWork, stopped: Mapping[UUID, int]) -> None:
    for notification_id, finished in stopped.items():
        await settle(tx, notification_id, finished)


async def refuse(tx: UnitOfWork, notification: dict[str, Any], problem: str) -> None:
    """End a notification that cannot be said: nobody was planned, and its task says why."""
    ids = {"notification_id": notification["notification_id"], "error": problem}
    await tx.execute(planning_sql.REFUSE, ids)
    await track(
        tx, notification["task_id"], school_id=notification["school_id"], kind=KIND, state="failed", error=problem
    )


async def release(tx: UnitOfWork, notification: Mapping[str, Any], counts: Sequence[Mapping[str, Any]]) -> int:
    """Open the windows of what was just planned, with permits where something is due; returns how many were planned."""
    planned = sum(int(row["n"]) for row in counts)
    waiting = {(row["channel"], row["state"]): row["n"] for row in counts if row["state"] in ("pending", "held")}
    ids = {"notification_id": notification["notification_id"]}
    await tx.execute(planning_sql.PLANNED, ids | {"planned": planned, "outstanding": sum(waiting.values())})
    for channel in sorted({channel for channel, _ in waiting}):
        name = lane(channel, urgent=notification["urgent"])
        due = (channel, "pending") in waiting
        values = {"channel": channel, "lane": name, "seconds": PERMIT_SECONDS if due else 0.0}
        await tx.execute(planning_sql.RELEASE, ids | values)
        for _ in range(WINDOW if due else 0):
            tx.permit(SendPermit(channel=channel, **ids), name)
    return planned


async def settle(
    tx: UnitOfWork, notification_id: UUID, finished: int, *, tell: bool = False, well: bool = False
) -> str | None:
    """Take finished deliveries off the count; the last one ends the notification and its task. Returns its state.

    `well`: the provider took something, whatever was wrong with our configuration before.
    """
    row = await tx.row(sending_sql.SETTLE, {"notification_id": notification_id, "finished": finished, "well": well})
    if row is None:
        return None
    state = str(row["state"])
    ended = row["ended"] and state in ("completed", "cancelled")
    if not (ended or tell or row["tell"]) or state == "failed":
        return state
    counts = None
    if ended:
        await tx.execute(sending_sql.CLOSE, {"notification_id": notification_id})
        counts = await count(tx, notification_id)
    running: TaskState = "retrying" if row["warning"] else "running"
    ending: TaskState = "succeeded" if state == "completed" else "cancelled"
    await track(
        tx,
        row["task_id"],
        school_id=row["school_id"],
        kind=KIND,
        state=ending if ended else running,
        done=row["round_planned"] - row["outstanding"],
        total=row["round_planned"],
        result={"notification_id": str(notification_id), "counts": counts} if ended else None,
        error=None if ended else row["warning"],
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
    return state


async def warn(tx: UnitOfWork, notification_id: UUID, warning: str) -> None:
    """Let the task say why nothing moves, once for each reason."""
    row = await tx.row(sending_sql.WARN, {"notification_id": notification_id, "warning": warning})
    if row is not None:
        done, total = row["round_planned"] - row["outstanding"], row["round_planned"]
        facts = {"school_id": row["school_id"], "kind": KIND, "done": done, "total": total}
        await track(tx, row["task_id"], state="retrying", error=warning, **facts)


async def count(tx: UnitOfWork, notification_id: UUID) -> dict[str, dict[str, int]]:
    """Deliveries by channel and state."""
    counts: dict[str, dict[str, int]] = {}
    for row in await tx.rows(sending_sql.COUNTS, {"notification_id": notification_id}):
        counts.setdefault(row["channel"], {})[row["state"]] = row["n"]
    return counts


async def claim(
    tx: UnitOfWork, permit: SendPermit, *, lease: UUID, limit: int, seconds: float
) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """The notification and the next due deliveries, now `sending` under `lease`; stopped ones are settled."""
    values = {"notification_id": permit.notification_id, "channel": permit.channel}
    notification = await tx.row(sending_sql.NOTIFICATION, values)
    if notification is None:
        return None, []
    rows = await tx.rows(sending_sql.CLAIM, values | {"lease": lease, "limit": limit, "seconds": seconds})
    mine = [row for row in rows if row["state"] == "sending"]
    await settle_stopped(tx, rows)
    # A permit that finds nothing is spent: what comes due next, the sweep gives a new one for, at once.
    await tx.execute(sending_sql.PERMITTED, values | {"seconds": PERMIT_SECONDS if mine else 0.0})
    return notification, mine


async def settle_stopped(tx: UnitOfWork, rows: Sequence[Mapping[str, Any]]) -> None:
    """Take off the count what a claim found to be over."""
    stopped = Counter(row["notification_id"] for row in rows if row["state"] not in ("sending", "held"))
    for notification, finished in sorted(stopped.items()):
        await settle(tx, notification, finished)


async def expire_attempts(tx: UnitOfWork) -> int:
    """Give back what dead workers held; returns how many notifications were touched."""
    rows = await tx.rows(sending_sql.EXPIRED, {"most": MOST_SILENT})
    for row in rows:
        if row["finished"]:
            await settle(tx, row["notification_id"], row["finished"])
    return len(rows)


async def top_up(tx: UnitOfWork) -> int:
    """A permit for every window that has due rows and none under way; returns how many were given."""
    rows = await tx.rows(sending_sql.TOP_UP, {"seconds": PERMIT_SECONDS})
    for row in rows:
        tx.permit(SendPermit(notification_id=row["notification_id"], channel=row["channel"]), row["lane"])
    return len(rows)


async def wake_waiting(tx: UnitOfWork, schools: Sequence[UUID] | None = None) -> None:
    """Permits to plan what has been waiting for the directory."""
    for row in await tx.rows(planning_sql.READY, {"schools": list(schools) if schools is not None else None}):
        tx.permit(PlanPermit(notification_id=row["notification_id"]), "planning")


async def give_up(tx: UnitOfWork, patience: float) -> None:
    """Fail what has waited too long for the directory, naming the gap."""
    for row in await tx.rows(planning_sql.GAVE_UP, {"seconds": patience}):
        await track(tx, row["task_id"], school_id=row["school_id"], kind=KIND, state="failed", error=row["error"])

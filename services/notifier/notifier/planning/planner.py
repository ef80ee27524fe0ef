"""Plans notifications: an intent is registered, planned once the directory is complete, and released for sending."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from notifier.audience import sql as audience
from notifier.content import renderer
from notifier.escalation import escalation
from notifier.inbox import inbox
from notifier.permits import PlanPermit, planning_lane
from notifier.planning import cancellation, corrections, sql
from notifier.sending import progress, windows
from shared.events import NotificationIntent, NotificationPlanned
from shared.events.notifications import FORMER_ADDRESSES, SEND_TASK
from shared.jobs.task_status import track
from shared.transactions.unit_of_work import UnitOfWork

FEW = 50
"""People of a round that are found before their deliveries are written; more are found by the same statement."""
SCHOOL_NOT_ACTIVE = "it was not sent: the school is not active"


async def accept(tx: UnitOfWork, event: NotificationIntent) -> bool:
    """Keep an intent and plan it; False while it has to wait. A repeat changes nothing.

    One that was cancelled before it arrived is not planned.
    """
    row = await _insert(tx, event, starts=event.origin is None)
    if row is not None and row["state"] == "cancelled":
        await progress.complete_if_done(tx, event.notification_id)
        return True
    if row is not None and row["state"] == "sending":
        await _plan(tx, row)
        return True
    await corrections.register(tx, event)
    return await plan_if_ready(tx, event.notification_id)


async def _insert(tx: UnitOfWork, event: NotificationIntent, *, starts: bool) -> dict[str, Any] | None:
    """Insert an intent and return its row, or None for a repeat; with `starts` its planning starts if it can."""
    values = event.model_dump()
    escalation_steps = event.escalation.model_dump(mode="json") if event.escalation else None
    channels = list(event.channels)
    if escalation_steps and "inbox" not in channels:
        channels.append("inbox")  # a person reads it there
    jsonb = {
        "audience": Jsonb(event.audience.model_dump(mode="json")),
        "data": Jsonb(event.data),
        "variables": Jsonb(event.variables),
        "escalation": Jsonb(escalation_steps) if escalation_steps else None,
    }
    return await tx.row(sql.INSERT_NOTIFICATION, values | jsonb | {"channels": channels, "starts": starts})


async def plan_if_ready(tx: UnitOfWork, notification_id: UUID) -> bool:
    """Plan a waiting notification; False while the directory, or a send of the same record, keeps it waiting."""
    notification = await tx.row(sql.CLAIM_WAITING, {"notification_id": notification_id})
    if notification is None:
        return False
    if not await corrections.can_plan(tx, notification):
        await tx.execute(sql.RETURN_TO_WAITING, {"notification_id": notification_id})
        return False
    await _plan(tx, notification)
    return True


async def _plan(tx: UnitOfWork, notification: dict[str, Any]) -> None:
    """Plan a notification that was claimed for it; a cancel of its task that came before it stops it."""
    if not notification["school_active"]:
        await _refuse(tx, notification, SCHOOL_NOT_ACTIVE)
        return
    counts = await _insert_deliveries(tx, notification)
    problem = await renderer.render_notification(tx, notification)
    if problem is not None:
        await _refuse(tx, notification, problem)
        return
    row = start_round(tx, notification, counts)
    suppressed = sum(each["n"] for each in counts if each["state"] == "suppressed")
    tx.emit(planned_event(row, suppressed))
    inbox.announce_added(tx, notification, counts)
    await escalation.open_cases(tx, notification)
    if not row["outstanding"]:
        await progress.complete_if_done(tx, row["notification_id"])
    elif not await progress.report_progress(tx, row):
        await cancellation.cancel_task(tx, row["task_id"])


async def _insert_deliveries(tx: UnitOfWork, notification: Mapping[str, Any]) -> list[dict[str, Any]]:
    if (notification["origin"] or "").startswith(FORMER_ADDRESSES):
        names = ("notification_id", "school_id", "round")
        person, addresses = notification["audience"]["people"][0], notification["variables"].get("addresses", "")
        values = {name: notification[name] for name in names} | {"person": person, "addresses": addresses.splitlines()}
        await tx.execute(sql.EMPTY_VARIABLES, values)
        return await tx.rows(sql.INSERT_FORMER, values | windows.values_of(notification))
    values = audience.values_of(notification) | plan_values(notification)
    if values["told"] is None and values["except_told"] is None:
        # Not prepared: a plan that is kept would be one for schools of average size.
        found = await tx.rows(audience.find_first(values), values | {"most": FEW + 1}, prepare=False)
        if len(found) <= FEW:
            few = {"found": [row["person_id"] for row in found], "most": FEW}
            return await tx.rows(sql.INSERT_FEW, values | few)
    return await tx.rows(sql.INSERT_DELIVERIES, values)


def plan_values(notification: Mapping[str, Any]) -> dict[str, Any]:
    """Return what else the statements of planning take from a notification's row."""
    names = ("notification_id", "school_id", "expires_at", "group_id", "round")
    recipients = recipient_values(notification["kind"], notification["channels"], urgent=notification["urgent"])
    return recipients | windows.values_of(notification) | {name: notification[name] for name in names}


def recipient_values(kind: str, channels: Sequence[str], *, urgent: bool) -> dict[str, Any]:
    """Return what FIND_RECIPIENTS takes besides the audience."""
    return {"kind": kind, "channels": list(channels), "passes": urgent or kind == "safety"}


def start_round(tx: UnitOfWork, notification: Mapping[str, Any], counts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Issue the permits of a planned round; return the notification's row with its counts, as START_ROUND kept them.

    `counts` are the rows of START_ROUND.
    """
    windows.permit(tx, notification["notification_id"], counts)
    planned = sum(row["n"] for row in counts)
    return {
        **notification,
        "planned": notification["planned"] + planned,
        "round_planned": planned,
        "outstanding": sum(row["n"] for row in counts if row["state"] in ("pending", "held")),
    }


def planned_event(row: Mapping[str, Any], suppressed: int) -> NotificationPlanned:
    """Return the event of a planned round from the row of `start_round`."""
    ids = {name: row[name] for name in ("notification_id", "school_id", "task_id")}
    return NotificationPlanned(**ids, planned=row["planned"], suppressed=suppressed)


async def _refuse(tx: UnitOfWork, notification: Mapping[str, Any], problem: str) -> None:
    """Fail a notification that has been claimed for planning; its task says why."""
    ids = {"notification_id": notification["notification_id"], "error": problem}
    await tx.execute(sql.REFUSE_NOTIFICATION, ids)
    await _fail_task(tx, notification, problem)


async def fail_intent(tx: UnitOfWork, event: NotificationIntent, problem: str) -> None:
    """Keep an intent that cannot be planned, as failed; one that has been planned is left unchanged."""
    row = await _insert(tx, event, starts=False)
    if row is not None and row["state"] == "cancelled":
        await progress.complete_if_done(tx, event.notification_id)
    await fail_waiting(tx, event.notification_id, problem)


async def fail_waiting(tx: UnitOfWork, notification_id: UUID, problem: str) -> None:
    """Fail a notification that cannot be planned; its task says why."""
    row = await tx.row(sql.FAIL_WAITING, {"notification_id": notification_id, "error": problem})
    if row is not None:
        await _fail_task(tx, row, problem)


async def permit_ready(tx: UnitOfWork, schools: Sequence[UUID] | None = None) -> None:
    """Issue permits to plan what has waited for the directory, of some schools or of all."""
    for row in await tx.rows(sql.SELECT_READY, {"schools": list(schools) if schools is not None else None}):
        tx.permit(PlanPermit(notification_id=row["notification_id"]), planning_lane(row["kind"]))


async def fail_overdue(tx: UnitOfWork, patience: float) -> None:
    """Fail what has waited longer than `patience` seconds for the directory."""
    for row in await tx.rows(sql.FAIL_OVERDUE, {"seconds": patience}):
        await _fail_task(tx, row, row["error"])


async def _fail_task(tx: UnitOfWork, row: Mapping[str, Any], problem: str) -> None:
    await track(tx, row["task_id"], school_id=row["school_id"], kind=SEND_TASK, state="failed", error=problem)

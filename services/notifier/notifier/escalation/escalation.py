"""Escalation of must-reach notifications: a case for each student (or person) is open until one of its people reads.

Cases are due rows: the database's clock decides when, a sweep takes the next step, and a restart changes nothing. Each
step is a notification of its own (`escalates` names the first one), planned and sent like any other; nobody receives
the same message twice.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from notifier.audience import sql as audience
from notifier.escalation import sql
from notifier.permits import PlanPermit, planning_lane
from shared.transactions.unit_of_work import UnitOfWork

MAX_CASES = 500
Case = dict[str, Any]


async def open_cases(tx: UnitOfWork, notification: dict[str, Any]) -> None:
    """Open the cases of a planned notification; one without a person to ask is due immediately."""
    escalation = notification["escalation"]
    if not escalation:
        return
    values = audience.values(notification["school_id"], notification["audience"]) | {
        "notification_id": notification["notification_id"],
        "minutes": escalation["after_minutes"],
        "deadline": escalation["deadline"],
    }
    await tx.execute(sql.OPEN_CASES, values)


async def close_cases(tx: UnitOfWork, notifications: Sequence[UUID], reader: UUID) -> None:
    """Close the cases that a person was asked about by these notifications: the person has read one."""
    await tx.execute(sql.CLOSE_CASES, {"notifications": list(notifications), "reader": reader})


async def advance_due_cases(tx: UnitOfWork) -> None:
    """Take the next step of every case that is due."""
    moves: dict[tuple[UUID, str], list[Case]] = {}
    for case in await tx.rows(sql.LOCK_DUE_CASES, {"limit": MAX_CASES}):
        moves.setdefault((case["notification_id"], next_step(case)), []).append(case)
    for (notification_id, step), cases in sorted(moves.items(), key=str):
        abouts = [case["about"] for case in cases]
        if step in ("reached", "stopped", "missed"):
            await tx.execute(sql.END_CASES, {"notification_id": notification_id, "abouts": abouts, "state": step})
        else:
            await _ask(tx, notification_id, step, abouts, cases[0])


def next_step(case: Case) -> str:
    """Return how a due case ends, or which step comes next."""
    if case["over"]:
        return "stopped"
    if case["read"]:
        return "reached"
    steps = case["escalation"]["steps"]
    if case["late"] or case["step"] >= len(steps):
        return "missed"
    return str(steps[case["step"]])


async def _ask(tx: UnitOfWork, notification_id: UUID, step: str, abouts: list[UUID], first: Case) -> None:
    """Ask the people of one step about some cases; a case without any takes its next step immediately."""
    ids = {"notification_id": notification_id, "abouts": abouts, "school_id": first["school_id"]}
    responsibility = first["audience"].get("responsibility") or "any"
    asked = await tx.rows(sql.FIND_ASKED[step], ids | {"responsibility": responsibility, "step": step})
    await _notify(tx, ids, step, sorted({row["person_id"] for row in asked}))
    minutes = first["escalation"]["after_minutes"]
    await tx.execute(sql.ADVANCE_CASES, ids | {"asked": sorted({row["about"] for row in asked}), "minutes": minutes})


async def _notify(tx: UnitOfWork, ids: dict[str, Any], step: str, people: list[UUID]) -> None:
    """Create the step's notification for those of the people who do not have the message yet."""
    mail_only = step == "mail"
    rows = await tx.rows(sql.SELECT_WITHOUT_MESSAGE, ids | {"people": people, "mail_only": mail_only})
    if not rows:
        return
    child = uuid7()
    values = {
        "child": child,
        "task": uuid7(),
        "audience": Jsonb({"people": [str(row["person_id"]) for row in rows], "roles": ["guardian"]}),
        "channels": ["mail"] if mail_only else ["push", "mail", "inbox"],
    }
    for row in await tx.rows(sql.INSERT_STEP_NOTIFICATION, ids | values):
        tx.permit(PlanPermit(notification_id=child), planning_lane(row["kind"]))

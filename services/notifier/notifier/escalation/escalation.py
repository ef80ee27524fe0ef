"""Somebody must be reached: a case for each student (or person) that is open until one of its people reads.

Cases are due rows: the database's clock says when, a sweep takes the next step, and a restart changes nothing. A step
is a notification of its own (`escalates` names the first), planned and sent like any other; nobody gets the same twice.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from notifier.escalation.sql import ASK, CHILD, DUE, END, GO_ON, OPEN, REACHED, UNTOLD
from notifier.permits import PlanPermit
from shared.transactions.unit_of_work import UnitOfWork

AT_ONCE = 500
Case = dict[str, Any]


async def open_cases(tx: UnitOfWork, notification: dict[str, Any]) -> None:
    """Open the cases of a planned notification; one that nobody could be asked about is due at once."""
    wanted = notification["escalation"]
    if not wanted:
        return
    audience = notification["audience"]
    await tx.execute(
        OPEN,
        {
            "notification_id": notification["notification_id"],
            "school_id": notification["school_id"],
            "students": [UUID(each) for each in audience.get("students") or ()],
            "classes": [UUID(each) for each in audience.get("classes") or ()],
            "grade": audience.get("grade"),
            "guardians": "guardian" in (audience.get("roles") or ()),
            "minutes": wanted["after_minutes"],
            "deadline": wanted["deadline"],
        },
    )


async def reached(tx: UnitOfWork, notifications: Sequence[UUID], person: UUID) -> None:
    """Close the cases that a person was asked about, by these notifications: somebody has read it."""
    await tx.execute(REACHED, {"notifications": list(notifications), "person": person})


async def go_on(tx: UnitOfWork) -> int:
    """Take the next step of every case that is due; returns how many there were."""
    cases = await tx.rows(DUE, {"limit": AT_ONCE})
    moves: dict[tuple[UUID, str], list[Case]] = {}
    for case in cases:
        moves.setdefault((case["notification_id"], next_move(case)), []).append(case)
    for (notification_id, move), some in sorted(moves.items(), key=str):
        abouts = [case["about"] for case in some]
        if move in ("reached", "stopped", "missed"):
            await tx.execute(END, {"notification_id": notification_id, "abouts": abouts, "state": move})
        else:
            await _ask(tx, notification_id, move, abouts, some[0])
    return len(cases)


def next_move(case: Case) -> str:
    """What becomes of a case that is due: how it ends, or the step to take."""
    if case["over"]:
        return "stopped"
    if case["read"]:
        return "reached"
    steps = case["escalation"]["steps"]
    if case["late"] or case["step"] >= len(steps):
        return "missed"
    return str(steps[case["step"]])


async def _ask(tx: UnitOfWork, notification_id: UUID, step: str, abouts: list[UUID], first: Case) -> None:
    """Ask the people of one step about some cases; a case with nobody to ask goes on to its next step at once."""
    ids = {"notification_id": notification_id, "abouts": abouts, "school_id": first["school_id"]}
    duty = first["audience"].get("responsibility") or "any"
    asked = await tx.rows(ASK[step], ids | {"responsibility": duty, "step": step})
    people = sorted({row["person_id"] for row in asked})
    channels = ["mail"] if step == "mail" else ["push", "mail", "inbox"]
    untold = [row["person_id"] for row in await tx.rows(UNTOLD, ids | {"people": people, "mail_only": step == "mail"})]
    if untold:
        child = uuid7()
        audience = Jsonb({"people": [str(person) for person in untold], "roles": ["guardian"]})
        await tx.execute(CHILD, ids | {"child": child, "task": uuid7(), "audience": audience, "channels": channels})
        tx.permit(PlanPermit(notification_id=child), "planning")
    minutes = first["escalation"]["after_minutes"]
    await tx.execute(GO_ON, ids | {"asked": sorted({row["about"] for row in asked}), "minutes": minutes})

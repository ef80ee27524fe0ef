"""Decisions about schedules: taken under the row's lock, so that firing and deciding never overlap.

A cancel that was answered 200 means that nothing fires any more; one that comes after the run is told `too_late`. For
an id that is not known yet a cancel or a pause leaves a tombstone, which the intent meets when it arrives.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.rows import DictRow

from scheduler import store
from scheduler.arming import armed, at, rule_of
from scheduler.occasions import Run, event_of, outgoing
from shared.asking import Declined, check_version
from shared.errors import RuleRefused
from shared.events import NotificationDue
from shared.recurrence import check
from shared.transaction import Transaction

OPEN = ("active", "paused")


@dataclass(frozen=True, slots=True)
class Which:
    """The schedule that is decided about, within a school; the system's own are for its administrators (`admin`).

    The group's, which belong to no school, are only reached by a transaction that sees every school.
    """

    id: UUID
    school: UUID
    admin: bool
    expected: int | None

    @property
    def values(self) -> dict[str, Any]:
        return {"id": self.id, "school": self.school, "admin": self.admin}


async def cancel(tx: Transaction, which: Which) -> DictRow:
    """It never runs again. Repeating it changes nothing."""
    row = await _lock(tx, which, otherwise="cancelled")
    if row["state"] == "cancelled":
        return row
    _check(row, which, OPEN)
    _check_own(row)
    await store.end_task(tx, row, "cancelled")
    return await store.write(tx, row | {"state": "cancelled"} | at(row, None))


async def cancel_if_open(tx: Transaction, which: Which) -> None:
    """Cancel it where there is still something to cancel; nothing else is remembered."""
    row = await tx.row(store.LOCK, which.values)
    if row is not None and row["rule"] is not None and row["state"] in OPEN:
        await cancel(tx, which)


async def pause(tx: Transaction, which: Which) -> DictRow:
    """It does not run until it is resumed. Repeating it changes nothing."""
    row = await _lock(tx, which, otherwise="paused")
    if row["state"] == "paused":
        return row
    _check(row, which, OPEN)
    return await store.write(tx, row | {"state": "paused"})


async def resume(tx: Transaction, which: Which) -> DictRow:
    """It goes on: a repeating one with its next tick from now, a single one at its time, or at once if that is over."""
    row = await _lock(tx, which)
    if row["state"] == "active":
        return row
    _check(row, which, OPEN)
    row = row | {"state": "active"}
    if not store.repeats(row):
        return await store.write(tx, row)
    return await store.write(tx, await _rearmed(tx, row))


async def change(tx: Transaction, which: Which, changes: dict[str, Any]) -> DictRow:
    """Another rule, timezone, policy or message; raises 422 where they do not go together, 409 once it has ended."""
    row = await _lock(tx, which)
    _check(row, which, OPEN)
    _check_own(row)
    repeated = store.repeats(row)
    row = row | changes | {"payload": row["payload"] | (changes.get("payload") or {})}
    if store.repeats(row) != repeated:
        raise _invalid("rule", "one send stays one, a repeating one stays repeating: cancel it and ask anew")
    if {"rule", "timezone"} & changes.keys():
        try:
            check(rule_of(row), row["timezone"], await store.now(tx))
        except RuleRefused as refusal:
            raise _invalid(refusal.field, refusal.reason) from None
        row = await _rearmed(tx, row)
    elif row["due_at"] is not None:
        row = row | at(row, row["due_at"])
    return await store.write(tx, row)


async def run_now(tx: Transaction, which: Which) -> DictRow:
    """One run at once. A single run is moved forward and done with; a repeating one keeps its next tick."""
    row = await _lock(tx, which)
    _check(row, which, OPEN)
    moment = await store.now(tx)
    single = not store.repeats(row)
    run = Run(row, f"now:{row['version'] + 1}", moment)
    school = await tx.row(store.SCHOOL, {"school": row["school_id"]})
    seen = max(row["directory_version"], school["seen"] if school else 0)
    tx.outgoing.append(outgoing(run, event_of(run, seen), moment))
    row = row | {
        "runs": row["runs"] + 1,
        "last_due_at": moment,
        "last_run_at": moment,
        "last_outcome": "ran",
        "last_task_id": run.task_id,
        "last_notification_id": run.notification_id,
    }
    return await store.write(tx, row | {"state": "done"} | at(row, None) if single else row)


async def _rearmed(tx: Transaction, row: DictRow) -> DictRow:
    school, version = await store.school_of(tx, row["school_id"])
    return row | {"calendar_version": version} | armed(row, await store.now(tx), school)


async def _lock(tx: Transaction, which: Which, otherwise: str | None = None) -> DictRow:
    """The row, locked; for an unknown id its tombstone in the state of `otherwise`. 404 for anybody else's."""
    row = await tx.row(store.LOCK, which.values)
    if row is None and otherwise is not None:
        row = await tx.row(store.TOMBSTONE, which.values | {"state": otherwise})
        # Written by somebody else since we looked: now it can be locked.
        row = row or await tx.row(store.LOCK, which.values)
    if row is None:
        raise Declined(404 if otherwise else 409, "not_found" if otherwise else "conflict", _UNKNOWN)
    if row["rule"] is None and otherwise is None:
        raise Declined(409, "conflict", _UNKNOWN, state=row["state"])
    return row


def _check_own(row: DictRow) -> None:
    """What the system keeps is made anew when it is missing, and as it was: it can be paused, not cancelled."""
    if row["rule"] is not None and row["emits"] != NotificationDue.topic:
        raise Declined(409, "conflict", "It is the system's own: it can be paused, resumed and run now.")


def _invalid(field: str, reason: str) -> Declined:
    return Declined(422, "invalid", errors=[{"loc": ["body", field], "code": "rule", "message": reason}])


_UNKNOWN = "The scheduler has not heard of it yet; try again in a moment."


def _check(row: DictRow, which: Which, states: Sequence[str]) -> None:
    if row["state"] not in states:
        more = {"notification_id": str(row["last_notification_id"])} if row["last_notification_id"] else {}
        raise Declined(409, "too_late", f"It is {row['state']} already.", state=row["state"], **more)
    check_version(which.expected, row["version"])

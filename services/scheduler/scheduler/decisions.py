"""Decisions about schedules: cancel, pause, resume, change, run now. They lock the row, so that no run overlaps.

A cancel that was answered with 200 means that no further run takes place; a cancel after the run is refused as
`too_late`. A decision about an id that is not known yet leaves a tombstone. The decision is applied when the request of
the schedule arrives; it is stored in the column `wish`.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.rows import DictRow

from scheduler import store
from scheduler.next_due import RULE, compute_next_due, due_columns
from scheduler.run_events import ScheduledRun, event_of, outbox_entry
from shared.errors import Reject, RuleRefused
from shared.events import NotificationDue
from shared.http.preconditions import DecisionRefused, check_version
from shared.recurrence import validate_rule, zone_of
from shared.transactions.unit_of_work import UnitOfWork

OPEN_STATES = ("active", "paused")
MOVING_FIELDS = frozenset({"rule", "timezone"})
"""Changes of these fields change the next run."""
KIND_STAYS = "a single send cannot become repeating, nor the reverse: cancel it and create a new one"
EXPIRES_BEFORE = "it would expire before it is sent: cancel it and create a new one"


@dataclass(frozen=True, slots=True)
class Target:
    """The schedule of a decision, within a school. Only administrators (`admin`) decide about system schedules.

    Schedules of the group have no school; only a transaction that sees all schools can change them.
    """

    id: UUID
    school: UUID
    admin: bool
    expected: int | None

    @property
    def values(self) -> dict[str, Any]:
        return {"id": self.id, "school": self.school, "admin": self.admin}


async def cancel(tx: UnitOfWork, target: Target) -> DictRow:
    """Cancel a schedule: it never runs again. Repetition changes nothing."""
    row = await _lock(tx, target, otherwise="cancelled")
    if row["state"] == "cancelled":
        return row
    _check(row, target)
    _check_own(row)
    await store.end_task(tx, row, "cancelled")
    return await store.update(tx, row | {"state": "cancelled", "wish": None} | due_columns(row, None))


async def cancel_if_open(tx: UnitOfWork, target: Target) -> None:
    """Cancel a schedule, if it has not ended."""
    row = await tx.row(store.LOCK_SCHEDULE, target.values)
    if row is None or row["state"] in OPEN_STATES:
        await cancel(tx, target)


async def pause(tx: UnitOfWork, target: Target) -> DictRow:
    """Pause a schedule until it is resumed. Repetition changes nothing."""
    row = await _lock(tx, target, otherwise="paused")
    if row["state"] == "paused":
        return row
    _check(row, target)
    return await store.update(tx, row | {"state": "paused"})


async def resume(tx: UnitOfWork, target: Target) -> DictRow:
    """Resume a schedule: a repeating one with its next run from now, a single one at its time, or now if late."""
    row = await _lock(tx, target)
    if row["state"] == "active":
        return row
    _check(row, target)
    row = row | {"state": "active"}
    if row["rule"] is None or not store.is_repeating(row):
        return await store.update(tx, row)
    return await store.update(tx, await _recomputed(tx, row, await store.database_now(tx)))


async def change(tx: UnitOfWork, target: Target, changes: dict[str, Any]) -> DictRow:
    """Change rule, timezone, policy or message; raises 422 if they do not fit together, 409 if it has ended."""
    row = await _lock(tx, target)
    _check(row, target)
    _check_own(row)
    moment = await store.database_now(tx)
    if row["rule"] is None:
        return await _defer_changes(tx, row, changes, moment)
    changed = _merged(row, changes)
    if store.is_repeating(changed) != store.is_repeating(row):
        raise invalid("rule", KIND_STAYS)
    if MOVING_FIELDS & changes.keys():
        _check_rule(changed["rule"], changed["timezone"], moment)
    changed = await _changed(tx, changed, changes, moment)
    if changed["due_at"] is not None and changed["fire_until"] < changed["due_at"]:
        raise invalid("expires_at", EXPIRES_BEFORE)
    return await store.update(tx, changed)


async def run_now(tx: UnitOfWork, target: Target) -> DictRow:
    """Run a schedule now. A single run then ends; a repeating schedule keeps its next run."""
    row = await _lock(tx, target)
    _check(row, target)
    if not await store.is_active(tx, row["school_id"]):
        raise DecisionRefused(409, "conflict", "The school is not active.")
    if row["rule"] is None:
        return await store.update(tx, row | {"wish": (row["wish"] or {}) | {"run_now": True}})
    return await store.update(tx, await _run(tx, row))


async def apply_deferred_decision(tx: UnitOfWork, schedule_id: UUID) -> None:
    """Apply the decision that arrived before the request, in the commit that registers the schedule.

    Raises Reject for a change that does not fit to the request.
    """
    row = await tx.row(store.SELECT_SCHEDULE, {"id": schedule_id})
    assert row is not None
    deferred, row = row["wish"], row | {"wish": None}
    if changes := deferred.get("changes"):
        changed = _merged(row, changes)
        if store.is_repeating(changed) != store.is_repeating(row):
            raise Reject(KIND_STAYS)
        row = await _changed(tx, changed, changes, dt.datetime.fromisoformat(deferred["at"]))
    await store.update(tx, await _run(tx, row) if deferred.get("run_now") else row)


async def _defer_changes(tx: UnitOfWork, row: DictRow, changes: dict[str, Any], moment: dt.datetime) -> DictRow:
    """Store changes on a tombstone, over earlier ones. The timezone of its rule may not be known yet."""
    deferred = row["wish"] or {}
    changes = _merged(deferred.get("changes") or {}, changes)
    zone = changes.get("timezone") or await store.timezone_of(tx, row["school_id"]) or "UTC"
    _check_rule(changes.get("rule"), zone, moment)
    return await store.update(tx, row | {"wish": deferred | {"changes": changes, "at": moment.isoformat()}})


def _merged(row: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Merge changes into a row; of the message, only the named parts change."""
    return row | changes | {"payload": (row.get("payload") or {}) | (changes.get("payload") or {})}


async def _changed(tx: UnitOfWork, row: DictRow, changes: dict[str, Any], moment: dt.datetime) -> DictRow:
    """Recompute the columns of the next run of a changed row; a new rule counts from `moment`."""
    if MOVING_FIELDS & changes.keys():
        return await _recomputed(tx, row | {"over_until": None}, moment)
    return row if row["due_at"] is None else row | due_columns(row, row["due_at"])


async def _run(tx: UnitOfWork, row: DictRow) -> DictRow:
    """Put a run at this moment into the outbox; returns the row after it."""
    moment = await store.database_now(tx)
    run = ScheduledRun(row, f"now:{row['version'] + 1}", moment)
    school = await tx.row(store.SELECT_SCHOOL, {"school": row["school_id"]})
    seen = max(row["directory_version"], school["seen"] if school else 0)
    tx.outgoing.append(outbox_entry(run, event_of(run, seen), moment))
    row = row | {
        "runs": row["runs"] + 1,
        "last_due_at": moment,
        "last_run_at": moment,
        "last_outcome": "ran",
        "last_task_id": run.task_id,
        "last_notification_id": run.notification_id,
    }
    return row if store.is_repeating(row) else row | {"state": "done"} | due_columns(row, None)


async def _recomputed(tx: UnitOfWork, row: DictRow, moment: dt.datetime) -> DictRow:
    school, version = await store.calendar_of_school(tx, row["school_id"])
    return row | {"calendar_version": version} | compute_next_due(row, moment, school)


async def _lock(tx: UnitOfWork, target: Target, otherwise: str = "active") -> DictRow:
    """Lock and return the row; an unknown id gets a tombstone in the state `otherwise`. 404 for another school."""
    row = await tx.row(store.LOCK_SCHEDULE, target.values)
    if row is None:
        row = await tx.row(store.INSERT_TOMBSTONE, target.values | {"state": otherwise})
        # Another transaction has inserted it meanwhile: now it can be locked.
        row = row or await tx.row(store.LOCK_SCHEDULE, target.values)
    if row is None:
        raise DecisionRefused(404, "not_found")
    return row


def _check_own(row: DictRow) -> None:
    """Refuse to cancel or change a system schedule: it would be recreated automatically, so it can only be paused."""
    if row["rule"] is not None and row["emits"] != NotificationDue.topic:
        raise DecisionRefused(409, "conflict", "System schedules can only be paused, resumed and run now.")


def _check_rule(rule: dict[str, Any] | None, timezone: str, moment: dt.datetime) -> None:
    """Refuse a wrong rule or timezone with 422 and the reason."""
    try:
        if rule is None:
            zone_of(timezone)
        else:
            validate_rule(RULE.validate_python(rule), timezone, moment)
    except RuleRefused as refusal:
        raise invalid(refusal.field, refusal.reason) from None


def invalid(field: str, reason: str) -> DecisionRefused:
    """Make the refusal of one field."""
    return DecisionRefused(422, "invalid", reason, errors=[{"loc": ["body", field], "code": "rule", "message": reason}])


def _check(row: DictRow, target: Target) -> None:
    if row["state"] not in OPEN_STATES:
        more = {"notification_id": str(row["last_notification_id"])} if row["last_notification_id"] else {}
        raise DecisionRefused(409, "too_late", f"The schedule is already {row['state']}.", state=row["state"], **more)
    check_version(target.expected, row["version"])

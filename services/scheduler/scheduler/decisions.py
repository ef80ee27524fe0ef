"""Decisions about schedules: taken under the row's lock, so that firing and deciding never overlap.

A cancel that was answered 200 means that nothing fires any more; one that comes after the run is told `too_late`. For
an id that is not known yet a decision leaves a tombstone, with what is wished of the schedule; the intent meets it.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.rows import DictRow

from scheduler import store
from scheduler.arming import RULE, armed, at
from scheduler.occasions import Run, event_of, outgoing
from shared.errors import Reject, RuleRefused
from shared.events import NotificationDue
from shared.http.preconditions import DecisionRefused, check_version
from shared.recurrence import check, zone_of
from shared.transactions.unit_of_work import UnitOfWork

OPEN = ("active", "paused")
MOVES = frozenset({"rule", "timezone"})
"""Changes that make another next run."""
KIND_STAYS = "one send stays one, a repeating one stays repeating: cancel it and ask anew"
OVER_BEFORE = "it would be over before it is sent: cancel it and ask anew"


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


async def cancel(tx: UnitOfWork, which: Which) -> DictRow:
    """It never runs again. Repeating it changes nothing."""
    row = await _lock(tx, which, otherwise="cancelled")
    if row["state"] == "cancelled":
        return row
    _check(row, which)
    _check_own(row)
    await store.end_task(tx, row, "cancelled")
    return await store.write(tx, row | {"state": "cancelled", "wish": None} | at(row, None))


async def cancel_if_open(tx: UnitOfWork, which: Which) -> None:
    """Cancel it where there is still something to cancel."""
    row = await tx.row(store.LOCK, which.values)
    if row is None or row["state"] in OPEN:
        await cancel(tx, which)


async def pause(tx: UnitOfWork, which: Which) -> DictRow:
    """It does not run until it is resumed. Repeating it changes nothing."""
    row = await _lock(tx, which, otherwise="paused")
    if row["state"] == "paused":
        return row
    _check(row, which)
    return await store.write(tx, row | {"state": "paused"})


async def resume(tx: UnitOfWork, which: Which) -> DictRow:
    """It goes on: a repeating one with its next tick from now, a single one at its time, or at once if that is over."""
    row = await _lock(tx, which)
    if row["state"] == "active":
        return row
    _check(row, which)
    row = row | {"state": "active"}
    if row["rule"] is None or not store.repeats(row):
        return await store.write(tx, row)
    return await store.write(tx, await _rearmed(tx, row, await store.now(tx)))


async def change(tx: UnitOfWork, which: Which, changes: dict[str, Any]) -> DictRow:
    """Another rule, timezone, policy or message; raises 422 where they do not go together, 409 once it has ended."""
    row = await _lock(tx, which)
    _check(row, which)
    _check_own(row)
    moment = await store.now(tx)
    if row["rule"] is None:
        return await _wish_changes(tx, row, changes, moment)
    changed = _merged(row, changes)
    if store.repeats(changed) != store.repeats(row):
        raise invalid("rule", KIND_STAYS)
    if MOVES & changes.keys():
        _check_rule(changed["rule"], changed["timezone"], moment)
    changed = await _changed(tx, changed, changes, moment)
    if changed["due_at"] is not None and changed["fire_until"] < changed["due_at"]:
        raise invalid("expires_at", OVER_BEFORE)
    return await store.write(tx, changed)


async def run_now(tx: UnitOfWork, which: Which) -> DictRow:
    """One run at once. A single run is moved forward and done with; a repeating one keeps its next tick."""
    row = await _lock(tx, which)
    _check(row, which)
    if row["rule"] is None:
        return await store.write(tx, row | {"wish": (row["wish"] or {}) | {"run_now": True}})
    return await store.write(tx, await _ran(tx, row))


async def fulfil(tx: UnitOfWork, schedule_id: UUID) -> None:
    """The intent has come: what was decided before is done now, in the commit that takes it up.

    Raises Reject for a change that does not go with it.
    """
    row = await tx.row(store.WHOLE, {"id": schedule_id})
    assert row is not None
    wish, row = row["wish"], row | {"wish": None}
    if changes := wish.get("changes"):
        changed = _merged(row, changes)
        if store.repeats(changed) != store.repeats(row):
            raise Reject(KIND_STAYS)
        row = await _changed(tx, changed, changes, dt.datetime.fromisoformat(wish["at"]))
    await store.write(tx, await _ran(tx, row) if wish.get("run_now") else row)


async def _wish_changes(tx: UnitOfWork, row: DictRow, changes: dict[str, Any], moment: dt.datetime) -> DictRow:
    """Keep changes on a tombstone, over those of before; the zone of its rule may not be known yet."""
    wish = row["wish"] or {}
    changes = _merged(wish.get("changes") or {}, changes)
    zone = changes.get("timezone") or await store.zone(tx, row["school_id"]) or "UTC"
    _check_rule(changes.get("rule"), zone, moment)
    return await store.write(tx, row | {"wish": wish | {"changes": changes, "at": moment.isoformat()}})


def _merged(row: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A row with changes; of the message, those parts that they name."""
    return row | changes | {"payload": (row.get("payload") or {}) | (changes.get("payload") or {})}


async def _changed(tx: UnitOfWork, row: DictRow, changes: dict[str, Any], moment: dt.datetime) -> DictRow:
    """A changed row, armed for what it is now: by another rule from `moment` on."""
    if MOVES & changes.keys():
        return await _rearmed(tx, row | {"over_until": None}, moment)
    return row if row["due_at"] is None else row | at(row, row["due_at"])


async def _ran(tx: UnitOfWork, row: DictRow) -> DictRow:
    """A row after a run at this moment, which is put into the outbox."""
    moment = await store.now(tx)
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
    return row if store.repeats(row) else row | {"state": "done"} | at(row, None)


async def _rearmed(tx: UnitOfWork, row: DictRow, moment: dt.datetime) -> DictRow:
    school, version = await store.school_of(tx, row["school_id"])
    return row | {"calendar_version": version} | armed(row, moment, school)


async def _lock(tx: UnitOfWork, which: Which, otherwise: str = "active") -> DictRow:
    """The row, locked; for an unknown id its tombstone in the state of `otherwise`. 404 for anybody else's."""
    row = await tx.row(store.LOCK, which.values)
    if row is None:
        row = await tx.row(store.TOMBSTONE, which.values | {"state": otherwise})
        # Written by somebody else since we looked: now it can be locked.
        row = row or await tx.row(store.LOCK, which.values)
    if row is None:
        raise DecisionRefused(404, "not_found")
    return row


def _check_own(row: DictRow) -> None:
    """What the system keeps is made anew when it is missing, and as it was: it can be paused, not cancelled."""
    if row["rule"] is not None and row["emits"] != NotificationDue.topic:
        raise DecisionRefused(409, "conflict", "It is the system's own: it can be paused, resumed and run now.")


def _check_rule(rule: dict[str, Any] | None, timezone: str, moment: dt.datetime) -> None:
    """422 that says why a rule or a timezone cannot be."""
    try:
        if rule is None:
            zone_of(timezone)
        else:
            check(RULE.validate_python(rule), timezone, moment)
    except RuleRefused as refusal:
        raise invalid(refusal.field, refusal.reason) from None


def invalid(field: str, reason: str) -> DecisionRefused:
    """A refusal of one field."""
    return DecisionRefused(422, "invalid", reason, errors=[{"loc": ["body", field], "code": "rule", "message": reason}])


def _check(row: DictRow, which: Which) -> None:
    if row["state"] not in OPEN:
        more = {"notification_id": str(row["last_notification_id"])} if row["last_notification_id"] else {}
        raise DecisionRefused(409, "too_late", f"It is {row['state']} already.", state=row["state"], **more)
    check_version(which.expected, row["version"])

"""Sends to more people than one person of a school may reach: they wait until another person has decided.

What waits is the checked send, not an event: only an approval asks the notifier or the scheduler for it, in the commit
that notes the decision. A schedule whose time has passed meanwhile is sent at once.
"""

import datetime as dt
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from gateway.http.idempotency import answered
from gateway.notifications.canary import request_send
from gateway.problems import Problem
from gateway.schedules.commands import ScheduleCommand
from gateway.security.access_control import OFFICE
from gateway.security.caller import Caller
from gateway.sends.commands import SendCommand
from shared.events.schedule_rules import OnceRule
from shared.recurrence import next_run
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

# Keep a send that waits.
INSERT_HELD = """
INSERT INTO held_send (approval_id, school_id, command, people, above, requested_by, role)
VALUES (%(approval)s, %(school)s, %(command)s, %(people)s, %(above)s, %(person)s, %(role)s)
"""
# Lock a send that was held, with the zone of its school.
LOCK_HELD = """
SELECT h.school_id, h.state, h.command, h.requested_by, h.role, s.timezone
FROM held_send h JOIN school s USING (school_id)
WHERE h.approval_id = %(approval)s FOR UPDATE OF h
"""
# Note a decision; the send itself is not kept any longer.
NOTE_DECISION = """
UPDATE held_send SET state = %(state)s, command = NULL, decided_by = %(person)s, decided_at = clock_timestamp(),
    reason = %(reason)s, notification_id = %(notification)s, schedule_id = %(schedule)s
WHERE approval_id = %(approval)s
"""
# End what no person has decided about, and delete what ended long ago.
LAPSE = """
WITH lapsed AS (
    UPDATE held_send SET state = 'lapsed', command = NULL, decided_at = clock_timestamp()
    WHERE state = 'waiting' AND requested_at < statement_timestamp() - interval '7 days'
)
DELETE FROM held_send WHERE requested_at < statement_timestamp() - interval '90 days'
"""
WAITING = "waiting_for_approval"


async def hold(
    tx: UnitOfWork, caller: Caller, school: UUID, command: SendCommand, key: str | None, people: int | None, above: int
) -> dict[str, Any]:
    """Let a send wait; returns the answer, the same for the same key and request."""
    approval = uuid7()
    answer = {"id": str(approval), "approval_id": str(approval), "state": WAITING}
    before = await answered(tx, caller, school, key, command.content(), answer)
    if before is not None:
        return before
    kept = Jsonb(command.model_dump(mode="json"))
    values = {"approval": approval, "school": school, "command": kept, "people": people, "above": above}
    await tx.execute(INSERT_HELD, values | {"person": caller.person, "role": caller.role})
    return answer


async def approve(tx: UnitOfWork, caller: Caller, approval: UUID) -> None:
    """Send what waits, in the name of its requester; 403 for its requester, 409 `too_late` once it is decided."""
    held = await _waiting(tx, approval)
    if caller.role not in OFFICE:
        raise Problem(403, "forbidden")
    if caller.person == held["requested_by"]:
        raise Problem(403, "forbidden", "You requested it yourself: another person has to approve it.")
    command, now = _command(held["command"]), dt.datetime.now(dt.UTC)
    if isinstance(command, ScheduleCommand):
        command = _at_once_if_over(command, held["timezone"], now)
    if command.expires_at is not None and command.expires_at <= now:
        raise Problem(409, "too_late", "The time in which it was of use is over. Refuse it.", state="waiting")
    requester = Caller(held["requested_by"], held["role"], held["school_id"])
    made = await request_send(tx, requester, held["school_id"], command, None, cleared=True)
    await _decide(tx, caller, approval, "approved", None, made)


async def refuse(tx: UnitOfWork, caller: Caller, approval: UUID, reason: str) -> None:
    """End a send that waits; its requester may withdraw it, others need a role of the office."""
    held = await _waiting(tx, approval)
    if caller.role not in OFFICE and (caller.person is None or caller.person != held["requested_by"]):
        raise Problem(403, "forbidden")
    await _decide(tx, caller, approval, "refused", reason, {})


async def lapse(rows: UnitOfWorkFactory) -> None:
    """End what waited for a week: its text is not kept, and its requester sees the state."""
    async with rows.begin() as tx:
        await tx.execute(LAPSE)


async def _waiting(tx: UnitOfWork, approval: UUID) -> dict[str, Any]:
    held = await tx.row(LOCK_HELD, {"approval": approval})
    if held is None:
        raise Problem(404, "not_found")
    if held["state"] != "waiting":
        raise Problem(409, "too_late", state=held["state"])
    return dict(held)


async def _decide(
    tx: UnitOfWork, caller: Caller, approval: UUID, state: str, reason: str | None, made: dict[str, Any]
) -> None:
    ids = {"notification": made.get("notification_id"), "schedule": made.get("schedule_id")}
    values = {"approval": approval, "person": caller.person, "state": state, "reason": reason}
    await tx.execute(NOTE_DECISION, values | ids)


def _command(stored: dict[str, Any]) -> SendCommand:
    return (ScheduleCommand if "rule" in stored else SendCommand).model_validate(stored)


def _at_once_if_over(command: ScheduleCommand, zone: str, now: dt.datetime) -> SendCommand:
    """Return the send without its time when its only run is over."""
    if not isinstance(command.rule, OnceRule):
        return command
    due = next_run(command.rule, command.timezone or zone, dt.datetime.min.replace(tzinfo=dt.UTC))
    if due is None or due > now:
        return command
    fields = {name: getattr(command, name) for name in SendCommand.model_fields}
    if command.expires_after_seconds is not None:
        fields["expires_at"] = now + dt.timedelta(seconds=command.expires_after_seconds)
    return SendCommand(**fields)

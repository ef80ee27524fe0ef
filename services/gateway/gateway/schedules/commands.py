"""Requests a later send: the intent and its outbox row in one commit; the scheduler does the rest."""

import datetime as dt
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from gateway.http.idempotency import answered
from gateway.http.opened_sends import open_task
from gateway.problems import Problem
from gateway.schedules.schemas import ScheduleInput
from gateway.security.caller import Caller
from gateway.sends import audience_checks
from gateway.sends.commands import Part, SendCommand, check_guard
from shared.errors import RuleRefused
from shared.events import NotificationDue, ScheduleRequested
from shared.events.schedule_rules import CatchUp, OnceRule, Rule
from shared.recurrence import next_run, validate_rule
from shared.transactions.unit_of_work import UnitOfWork

# Select an active school.
SELECT_SCHOOL = """
SELECT school_id, directory_version, timezone, approval_above FROM school WHERE school_id = %(school)s AND active
"""
# Add the intent of a schedule.
INSERT_INTENT = """
INSERT INTO schedule_intent (schedule_id, school_id, notification_id, created_by)
VALUES (%(schedule)s, %(school)s, %(notification)s, %(person)s)
"""
OF_THE_RUN = frozenset(
    {"schedule_id", "notification_id", "task_id", "school_id", "directory_version", "requested_by", "requested_at",
     "due_at"}
)  # fmt: skip
"""Fields of NotificationDue that are not in the payload: each run has its own."""


class ScheduleCommand(SendCommand):
    """A send and its schedule."""

    rule: Rule
    timezone: str | None
    catch_up: CatchUp
    max_age_seconds: int | None
    expires_after_seconds: int | None


def later_of(command: SendCommand, timing: ScheduleInput) -> ScheduleCommand:
    """Make a scheduled send of one that has a time."""
    return ScheduleCommand(
        **dict(command),
        rule=timing.rule,
        timezone=timing.timezone,
        catch_up=timing.catch_up or "once",
        **timing.seconds(),
    )


async def request_schedule(
    tx: UnitOfWork,
    caller: Caller,
    school: UUID,
    command: ScheduleCommand,
    key: str | None,
    *,
    cleared: bool = False,
    part: Part | None = None,
) -> dict[str, Any]:
    """Commit the intent; returns the answer, the same for the same key and request. 422 lists invalid fields.

    Not `cleared`, it raises NeedsApproval where the school wants a second person.
    """
    # The task of a single run has the schedule's id, so that cancelling the task finds the schedule.
    schedule, notification = (part.task, part.notification) if part else (uuid7(), uuid7())
    once, group = isinstance(command.rule, OnceRule), part.group if part else None
    ids = {"notification_id": str(notification), "task_id": str(schedule)} if once else {}
    answer = {"id": str(schedule), "schedule_id": str(schedule), "state": "accepted"} | ids
    before = await answered(tx, caller, school, key, command.content(), answer)
    if before is not None:
        return before
    row = await tx.row(SELECT_SCHOOL, {"school": school})
    if row is None:
        raise Problem(404, "unknown_school")
    timezone = command.timezone or row["timezone"]
    check_rule(command.rule, timezone)
    if command.expires_at is not None:
        _check_expiry(command, timezone)
    await audience_checks.check_ids(tx, school, command.audience)
    if not cleared:
        check_guard(row["approval_above"], command)
    values = {
        "schedule": schedule,
        "school": school,
        "person": caller.person,
        "notification": notification if once else None,
    }
    await tx.execute(INSERT_INTENT, values)
    if once:  # a send like any other, only later: its task and its notification can be read from now on
        open_task(tx, schedule, notification, school, caller.person, group)
    tx.emit(
        ScheduleRequested(
            schedule_id=schedule,
            school_id=school,
            rule=command.rule,
            timezone=timezone,
            catch_up=command.catch_up,
            max_age_seconds=command.max_age_seconds,
            directory_version=row["directory_version"],
            requested_by=caller.person,
            requested_at=dt.datetime.now(dt.UTC),
            payload=payload_of(command) | ids | ({"group_id": str(group)} if group else {}),
        )
    )
    return answer


def payload_of(command: SendCommand) -> dict[str, Any]:
    """Return the part of a NotificationDue that is known now."""
    fields = NotificationDue.model_fields.keys() - OF_THE_RUN | {"expires_after_seconds"}
    return command.model_dump(mode="json", include=fields, exclude_none=True)


def check_rule(rule: Rule, timezone: str) -> None:
    """Refuse an invalid rule with 422 and the reason."""
    try:
        validate_rule(rule, timezone, dt.datetime.now(dt.UTC))
    except RuleRefused as refusal:
        raise invalid(asked_as(rule, refusal.field), refusal.reason) from None


def asked_as(rule: Rule | None, field: str) -> str:
    """Return the part of a request that had this field of the rule."""
    if rule is None or field in ("timezone", "expires_at"):
        return field
    return "deliver_at" if isinstance(rule, OnceRule) else "repeat"


def invalid(field: str, reason: str) -> Problem:
    """Return the problem of one field."""
    return Problem(422, "invalid", reason, errors=[{"loc": ["body", field], "code": "rule", "message": reason}])


def _check_expiry(command: ScheduleCommand, timezone: str) -> None:
    if not isinstance(command.rule, OnceRule):
        raise invalid("expires_at", "a repeating send has no single end: give expires_after_minutes")
    due = next_run(command.rule, timezone, dt.datetime.min.replace(tzinfo=dt.UTC))
    if due is not None and command.expires_at is not None and command.expires_at <= due:
        raise invalid("expires_at", "it would expire before it is sent")

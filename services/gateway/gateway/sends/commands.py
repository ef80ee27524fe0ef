"""Intents: rows and outbox in one commit, then 202. Nothing here talks to the broker."""

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from uuid_utils.compat import uuid7

from gateway.http.idempotency import answered
from gateway.http.opened_sends import open_send
from gateway.problems import Problem
from gateway.security.caller import Caller
from gateway.sends import audience_checks
from shared.errors import SchoolConnectError
from shared.events import Audience, NotificationRequested
from shared.events.notifications import Escalation
from shared.events.values import Channel, Kind
from shared.transactions.unit_of_work import UnitOfWork

# Select the directory version of an active school.
SELECT_SCHOOL = "SELECT directory_version, approval_above FROM school WHERE school_id = %(school)s AND active"


class NeedsApproval(SchoolConnectError):
    """The school wants a second person for sends to more people than `above`."""

    def __init__(self, above: int) -> None:
        super().__init__(f"more than {above} people")
        self.above = above


class Canary(BaseModel):
    """How many people receive a send first, which ones, and after how many minutes all others do."""

    people: int
    after_minutes: int
    drawn: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """Ids that were drawn for one part of a send of several parts; `group` is the task of the whole send."""

    group: UUID
    notification: UUID
    task: UUID


class SendCommand(BaseModel):
    """A checked send."""

    kind: Kind
    title: str
    body: str
    data: dict[str, str]
    audience: Audience
    channels: tuple[Channel, ...]
    urgent: bool
    expires_at: dt.datetime | None
    template: str | None = None
    variables: dict[str, str] = {}
    escalation: Escalation | None = None
    canary: Canary | None = None

    def content(self) -> dict[str, Any]:
        """Return what was requested, as a key is compared with it: without what the gateway chose itself."""
        chosen = {"audience": {"except_people"}, "canary": {"drawn"} if self.canary else True}
        return self.model_dump(mode="json", exclude=chosen)


FIELDS_OF_EVENT = SendCommand.model_fields.keys() - {"canary"}


def check_guard(above: int | None, command: SendCommand) -> None:
    """Raise NeedsApproval where the school has a limit; a safety message waits for no second person."""
    if above is not None and command.kind != "safety":
        raise NeedsApproval(above)


async def request_notification(
    tx: UnitOfWork,
    caller: Caller,
    school: UUID,
    command: SendCommand,
    key: str | None,
    *,
    cleared: bool = False,
    part: Part | None = None,
) -> dict[str, Any]:
    """Commit the intent; returns the answer, the same for the same key and request.

    Not `cleared`, it raises NeedsApproval where the school wants a second person.
    """
    notification, task = (part.notification, part.task) if part else (uuid7(), uuid7())
    answer = {"id": str(notification), "notification_id": str(notification), "task_id": str(task), "state": "accepted"}
    before = await answered(tx, caller, school, key, command.content(), answer)
    if before is not None:
        return before
    refuse_past(command)
    row = await tx.row(SELECT_SCHOOL, {"school": school})
    if row is None:
        raise Problem(404, "unknown_school")
    await audience_checks.check_ids(tx, school, command.audience)
    if not await audience_checks.has_members(tx, school, command.audience):
        raise Problem(422, "empty_audience")
    if not cleared:
        check_guard(row["approval_above"], command)
    now = dt.datetime.now(dt.UTC)
    group = part.group if part else None
    open_send(tx, requested(caller, school, notification, task, command, now, row["directory_version"], group))
    return answer


def requested(
    caller: Caller,
    school: UUID,
    notification: UUID,
    task: UUID,
    command: SendCommand,
    now: dt.datetime,
    directory_version: int = 0,
    group: UUID | None = None,
) -> NotificationRequested:
    """Build the request to the notifier."""
    return NotificationRequested(
        notification_id=notification,
        task_id=task,
        school_id=school,
        directory_version=directory_version,
        requested_by=caller.person,
        requested_at=now,
        group_id=group,
        **{name: getattr(command, name) for name in FIELDS_OF_EVENT},
    )


def refuse_past(command: SendCommand) -> None:
    """Refuse a send that expires before it begins, with 422."""
    if command.expires_at is not None and command.expires_at <= dt.datetime.now(dt.UTC):
        raise Problem(422, "invalid", errors=[{"loc": ["body", "expires_at"], "code": "past", "message": "is over"}])

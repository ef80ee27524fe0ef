"""Intents: rows and outbox in one commit, then 202. Nothing here talks to the broker."""

import asyncio
import datetime as dt
from collections.abc import Mapping
from typing import Any, BinaryIO
from uuid import UUID

from pydantic import BaseModel
from uuid_utils.compat import uuid7

from gateway.http.idempotency import answered
from gateway.notifications import audience_checks
from gateway.permits import ImportPermit
from gateway.problems import Problem
from gateway.roster_import import upload as import_upload
from gateway.security.access_control import Caller
from shared.events import Audience, NotificationRequested
from shared.events.notifications import Escalation
from shared.events.values import Channel, Kind
from shared.transactions.unit_of_work import Transaction

SCHOOL = "SELECT school_id, directory_version FROM school WHERE school_id = %(school)s AND active"
OPEN = """
WITH opened AS (
    INSERT INTO task (task_id, school_id, kind, state, created_by, parent_id)
    VALUES (%(task)s, %(school)s, 'notification.send', 'accepted', %(person)s, %(group)s)
)
INSERT INTO intent (notification_id, school_id, task_id) VALUES (%(notification)s, %(school)s, %(task)s)
"""
OPEN_IMPORT = """
WITH opened AS (
    INSERT INTO task (task_id, kind, state, created_by)
    VALUES (%(task)s, 'import.oneroster', 'accepted', %(person)s)
)
INSERT INTO import_job (task_id) VALUES (%(task)s)
"""


GROUP = UUID(int=0)
"""Stands for the school of what belongs to none."""


class SendCommand(BaseModel):
    """What is to be sent, checked."""

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


async def request_notification(
    tx: Transaction, caller: Caller, school: UUID, command: SendCommand, key: str | None
) -> dict[str, Any]:
    """Commit the intent; returns the answer, the same for the same key and request."""
    notification, task = uuid7(), uuid7()
    answer = {"id": str(notification), "notification_id": str(notification), "task_id": str(task), "state": "accepted"}
    before = await answered(tx, caller, school, key, command.model_dump(mode="json"), answer)
    if before is not None:
        return before
    refuse_past(command)
    row = await tx.row(SCHOOL, {"school": school})
    if row is None:
        raise Problem(404, "unknown_school")
    await audience_checks.check(tx, school, command.audience)
    if not await audience_checks.anybody(tx, school, command.audience):
        raise Problem(422, "empty_audience")
    await emit_send(tx, caller, row, notification, task, command, dt.datetime.now(dt.UTC))
    return answer


async def emit_send(
    tx: Transaction,
    caller: Caller,
    school: Mapping[str, Any],
    notification: UUID,
    task: UUID,
    command: SendCommand,
    now: dt.datetime,
    group: UUID | None = None,
) -> None:
    """Open the task of a send to one `school` (its id and directory version) and tell the notifier of it."""
    ids = {"task": task, "notification": notification, "school": school["school_id"], "group": group}
    await tx.execute(OPEN, ids | {"person": caller.person})
    event = requested(caller, school["school_id"], notification, task, command, now, school["directory_version"], group)
    tx.emit(event)


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
    """What the notifier is told of a send."""
    return NotificationRequested(
        notification_id=notification,
        task_id=task,
        school_id=school,
        directory_version=directory_version,
        requested_by=caller.person,
        requested_at=now,
        group_id=group,
        **{name: getattr(command, name) for name in SendCommand.model_fields},
    )


def refuse_past(command: SendCommand) -> None:
    """422 for what is over before it begins."""
    if command.expires_at is not None and command.expires_at <= dt.datetime.now(dt.UTC):
        raise Problem(422, "invalid", errors=[{"loc": ["body", "expires_at"], "code": "past", "message": "is over"}])


async def request_import(tx: Transaction, caller: Caller, upload: BinaryIO, key: str | None) -> dict[str, Any]:
    """Commit an uploaded roster with the permit to import it; the answer, the same for the same key and content."""
    task = uuid7()
    answer = {"task_id": str(task), "state": "accepted"}
    if key is not None:
        # A hundred megabytes: nobody else's request waits for it.
        digest = await asyncio.to_thread(import_upload.digest, upload)
        request = {"route": "imports/oneroster", "sha256": digest}
        if (before := await answered(tx, caller, GROUP, key, request, answer)) is not None:
            return before
    await tx.execute(OPEN_IMPORT, {"task": task, "person": caller.person})
    await import_upload.keep(tx, task, upload)
    tx.permit(ImportPermit(task_id=task), "imports")
    return answer

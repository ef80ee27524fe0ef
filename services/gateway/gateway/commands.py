"""Intents: rows and outbox in one commit, then 202. Nothing here talks to the broker."""

import datetime as dt
import hashlib
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from pydantic import BaseModel
from uuid_utils.compat import uuid7

from gateway.auth import Caller
from gateway.problems import Problem
from gateway.work import ImportPermit
from shared.events import Audience, NotificationRequested
from shared.events.directory import Channel, Kind
from shared.transaction import Transaction

SCHOOL = "SELECT school_id, directory_version FROM school WHERE school_id = %(school)s AND active"
MEMBERS = """
SELECT DISTINCT person_id FROM membership
WHERE school_id = (SELECT bound_school()) AND person_id = ANY(%(people)s)
"""
# The key's row is written first: a concurrent request with the same key waits here and then finds the answer.
REMEMBER = """
INSERT INTO idempotency_key (school_id, asker, key, request, answer)
VALUES (%(school)s, %(asker)s, %(key)s, %(request)s, %(answer)s) ON CONFLICT DO NOTHING RETURNING key
"""
RECALL = """
SELECT request, answer FROM idempotency_key
WHERE school_id = %(school)s AND asker = %(asker)s AND key = %(key)s
"""
OPEN = """
WITH opened AS (
    INSERT INTO task (task_id, school_id, kind, state, created_by)
    VALUES (%(task)s, %(school)s, 'notification.send', 'accepted', %(person)s)
)
INSERT INTO intent (notification_id, school_id, task_id) VALUES (%(notification)s, %(school)s, %(task)s)
"""
OPEN_IMPORT = """
WITH opened AS (
    INSERT INTO task (task_id, kind, state, created_by)
    VALUES (%(task)s, 'import.oneroster', 'accepted', %(person)s)
)
INSERT INTO import_job (task_id, content) VALUES (%(task)s, %(content)s)
"""


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


async def request_notification(
    tx: Transaction, caller: Caller, school: UUID, command: SendCommand, key: str | None
) -> dict[str, Any]:
    """Commit the intent; returns the answer, the same for the same key and request."""
    notification, task = uuid7(), uuid7()
    answer = {"id": str(notification), "notification_id": str(notification), "task_id": str(task), "state": "accepted"}
    if key is not None:
        before = await recall_or_remember(tx, caller, school, key, command, answer)
        if before is not None:
            return before
    if command.expires_at is not None and command.expires_at <= dt.datetime.now(dt.UTC):
        raise Problem(422, "invalid", errors=[{"loc": ["body", "expires_at"], "code": "past", "message": "is over"}])
    row = await tx.row(SCHOOL, {"school": school})
    if row is None:
        raise Problem(404, "unknown_school")
    await check_audience(tx, command.audience)
    await tx.execute(OPEN, {"task": task, "notification": notification, "school": school, "person": caller.person})
    tx.emit(
        NotificationRequested(
            notification_id=notification,
            task_id=task,
            school_id=school,
            directory_version=row["directory_version"],
            requested_by=caller.person,
            requested_at=dt.datetime.now(dt.UTC),
            **{name: getattr(command, name) for name in SendCommand.model_fields},
        )
    )
    return answer


async def recall_or_remember(
    tx: Transaction, caller: Caller, school: UUID, key: str, command: SendCommand, answer: dict[str, Any]
) -> dict[str, Any] | None:
    """The answer given before, or None after remembering this one; 409 when the request was another."""
    content = json.dumps(command.model_dump(mode="json"), sort_keys=True)
    digest = hashlib.sha256(content.encode()).digest()
    values = {"school": school, "asker": caller.name, "key": key, "request": digest, "answer": Jsonb(answer)}
    if await tx.row(REMEMBER, values) is not None:
        return None
    before = await tx.row(RECALL, values)
    if before is None or bytes(before["request"]) != digest:
        raise Problem(409, "idempotency_conflict")
    found: dict[str, Any] = before["answer"]
    return found


async def check_audience(tx: Transaction, audience: Audience) -> None:
    """422 for people who are none of the school's."""
    if audience.people is not None:
        await _all_members(tx, audience.people)


async def _all_members(tx: Transaction, people: Sequence[UUID]) -> None:
    rows = await tx.rows(MEMBERS, {"people": list(people)})
    unknown = sorted(set(people) - {row["person_id"] for row in rows})
    if unknown:
        raise Problem(422, "unknown_people", people=[str(person) for person in unknown])


async def request_import(tx: Transaction, caller: Caller, content: bytes) -> UUID:
    """Commit an uploaded roster with the permit to import it; returns the task."""
    task = uuid7()
    await tx.execute(OPEN_IMPORT, {"task": task, "person": caller.person, "content": content})
    tx.permit(ImportPermit(task_id=task), "imports")
    return task

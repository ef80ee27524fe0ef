"""Announces a student's record to its guardians, if the school allows it; corrections to those notified before."""

import datetime as dt
from typing import Any
from uuid import uuid5

from gateway.http.opened_sends import open_send
from gateway.records.announcement_rules import (
    ABSENCE_HOURS,
    Announcement,
    Record,
    RecordStatement,
    decide_announcements,
    statement_of,
)
from shared.events import Audience, NotificationRequested
from shared.transactions.unit_of_work import UnitOfWork

CHANNELS = ("push", "mail", "inbox")

# Lock the record's row: two versions of one record are announced one after the other.
LOCK_ANNOUNCEMENT = """
INSERT INTO announcement AS a (record_id, school_id, version) VALUES (%(record)s, %(school)s, 0)
ON CONFLICT (record_id) DO UPDATE SET version = a.version
RETURNING version, said, digest
"""
# Store which version was announced, and its statement.
UPDATE_ANNOUNCEMENT = """
UPDATE announcement SET version = %(version)s, said = %(said)s, digest = %(digest)s WHERE record_id = %(record)s
"""
# Read which announcements the school allows, and the student's name.
SELECT_SCHOOL = """
SELECT s.announces, s.active, s.directory_version, p.given_name
FROM school s LEFT JOIN person p ON p.person_id = %(student)s WHERE s.school_id = %(school)s
"""


async def announce(event: Record, tx: UnitOfWork) -> None:
    """Request the notifications that follow from a record's new state; an older state or a repeat requests none."""
    ids = {"record": event.record_id, "school": event.school_id, "student": event.student_id}
    before = await tx.row(LOCK_ANNOUNCEMENT, ids)
    school = await tx.row(SELECT_SCHOOL, ids)
    if before is None or school is None or before["version"] >= event.version:
        return
    now = statement_of(event)
    allowed = school["active"] and now.occasion in school["announces"]
    previous, digest, day = before["said"], before["digest"], event.recorded_at.date()
    announcements = decide_announcements(now, previous, digest, day, announced=allowed)
    for each in announcements:
        open_send(tx, _request(event, now, each, school))
    if announcements:
        previous, digest = now.statement, now.digest
    tx.write(UPDATE_ANNOUNCEMENT, ids | {"version": event.version, "said": previous, "digest": digest})


def _request(event: Record, now: RecordStatement, what: Announcement, school: dict[str, Any]) -> NotificationRequested:
    """Build one notification; its ids follow from the record's version, so that a repeat has the same."""
    origin = f"{now.record}:{event.record_id}"
    return NotificationRequested(
        notification_id=uuid5(event.record_id, f"{event.version}/{what.to}"),
        task_id=uuid5(event.record_id, f"{event.version}/{what.to}/task"),
        school_id=event.school_id,
        kind=now.kind,
        audience=_audience(event, now, what, origin),
        channels=CHANNELS,
        urgent=now.urgent,
        expires_at=event.recorded_at + dt.timedelta(hours=ABSENCE_HOURS) if now.urgent else None,
        directory_version=event.directory_version or school["directory_version"],
        requested_by=event.recorded_by,
        requested_at=event.recorded_at,
        origin=origin,
        origin_version=event.version,
        correction=what.to == "told",
        template=what.template,
        variables=now.variables | {"student": school["given_name"] or ""},
        data={"record": now.record, "record_id": str(event.record_id)},
    )


def _audience(event: Record, now: RecordStatement, what: Announcement, origin: str) -> Audience:
    if what.to == "told":
        return Audience(told=origin)
    return Audience(
        students=(event.student_id,),
        responsibility=now.responsibility,
        except_told=origin if what.to == "untold" else None,
    )

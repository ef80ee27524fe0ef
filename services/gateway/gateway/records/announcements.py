"""A record of a student is told to the right guardians, where the school lets it be; a correction to those told."""

import datetime as dt
from typing import Any
from uuid import uuid5

from gateway.records.announcement_rules import (
    ABSENCE_HOURS,
    Announcement,
    Record,
    RecordStatement,
    decide_announcements,
    statement_of,
)
from gateway.sends.commands import OPEN
from shared.events import Audience, NotificationRequested
from shared.transactions.unit_of_work import UnitOfWork

CHANNELS = ("push", "mail", "inbox")

# Locks the record's row: two versions of one record are told one after the other.
BEFORE = """
INSERT INTO announcement AS a (record_id, school_id, version) VALUES (%(record)s, %(school)s, 0)
ON CONFLICT (record_id) DO UPDATE SET version = a.version
RETURNING version, said, digest
"""
AFTER = """
UPDATE announcement SET version = %(version)s, said = %(said)s, digest = %(digest)s WHERE record_id = %(record)s
"""
SCHOOL = """
SELECT s.announces, s.active, s.directory_version, p.given_name
FROM school s LEFT JOIN person p ON p.person_id = %(student)s WHERE s.school_id = %(school)s
"""


async def announce(event: Record, tx: UnitOfWork) -> None:
    """Ask for the notifications that follow from a record's new state; an older state or a repeat asks for none."""
    ids = {"record": event.record_id, "school": event.school_id, "student": event.student_id}
    before = await tx.row(BEFORE, ids)
    school = await tx.row(SCHOOL, ids)
    if before is None or school is None or before["version"] >= event.version:
        return
    now = statement_of(event)
    announced = school["active"] and now.occasion in school["announces"]
    tells = decide_announcements(now, before["said"], before["digest"], event.recorded_at.date(), announced=announced)
    for each in tells:
        _request(tx, event, now, each, school)
    kept = (
        {"said": now.statement, "digest": now.digest} if tells else {"said": before["said"], "digest": before["digest"]}
    )
    tx.write(AFTER, ids | kept | {"version": event.version})


def _request(tx: UnitOfWork, event: Record, now: RecordStatement, what: Announcement, school: dict[str, Any]) -> None:
    """One notification; its ids follow from the record's version, so that a repeat would be the same."""
    origin = f"{now.record}:{event.record_id}"
    notification = uuid5(event.record_id, f"{event.version}/{what.to}")
    task = uuid5(event.record_id, f"{event.version}/{what.to}/task")
    values = {"task": task, "notification": notification, "school": event.school_id, "group": None}
    tx.write(OPEN, values | {"person": event.recorded_by})
    tx.emit(
        NotificationRequested(
            notification_id=notification,
            task_id=task,
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
    )


def _audience(event: Record, now: RecordStatement, what: Announcement, origin: str) -> Audience:
    if what.to == "told":
        return Audience(told=origin)
    return Audience(
        students=(event.student_id,),
        responsibility=now.responsibility,
        except_told=origin if what.to == "untold" else None,
    )

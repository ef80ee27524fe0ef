"""The report service for tests: a real database, a log that a test writes, and work that a test performs."""

import datetime as dt
import json
from dataclasses import dataclass, field
from uuid import UUID

from uuid_utils.compat import uuid7

from reports.domain.content import Origin
from reports.facts import projection
from reports.facts.position import newest_position
from reports.figures.figures import Subject, monthly, student_progress
from shared.events import (
    AbsenceRecorded,
    BehaviorRecorded,
    GradeRecorded,
    PaymentRecorded,
    PersonChanged,
    RemarkRecorded,
    SchoolChanged,
    StudentChanged,
)
from shared.events.directory import Membership
from shared.projections.projector import LoggedEvent
from shared.service.service import Service
from shared.storage.blob_store import BlobStore

LONG_AGO = dt.datetime(2026, 8, 1, 8, tzinfo=dt.UTC)
EMPTY = """
TRUNCATE school_fact, student_fact, person_fact, membership_fact, school_position, behavior_fact, payment_fact,
    absence_fact, grade_fact, remark_fact, notification_fact, read_fact, report, report_file, school_erasure,
    outbox, inbox, task_track, task_lease, directory_seen CASCADE
"""
EVENTS = "SELECT headers, data FROM outbox WHERE exchange <> '' ORDER BY position"
KINDS = {
    "behavior": (BehaviorRecorded, {"happened_on": dt.date(2026, 11, 3), "category": "disruption"}),
    "payment": (PaymentRecorded, {"status": "due", "amount": "100.00", "currency": "EUR"}),
    "absence": (AbsenceRecorded, {"day": dt.date(2026, 11, 3)}),
    "grade": (GradeRecorded, {"course": "Mathematics", "given_on": dt.date(2026, 11, 3), "grade": "B+"}),
    "remark": (RemarkRecorded, {"noted_on": dt.date(2026, 11, 3), "text": "A made-up remark."}),
}


@dataclass
class ReportsHarness:
    """A service whose projection and consumers do not run; `log` is what it has been given."""

    service: Service
    store: BlobStore
    log: list[LoggedEvent] = field(default_factory=list)

    async def rows(self, query, values=None):
        async with self.service.transactions.begin() as tx:
            return await tx.rows(query, values)

    async def execute(self, query, values=None):
        async with self.service.transactions.begin() as tx:
            await tx.execute(query, values)

    async def append(self, *events, at=LONG_AGO):
        """Add events to the log and to the facts; returns the last offset."""
        facts = [LoggedEvent(event, len(self.log) + index, at) for index, event in enumerate(events)]
        self.log += facts
        await self.add(facts)
        return len(self.log) - 1

    async def add(self, facts):
        async with self.service.transactions.begin() as tx:
            await projection.add_facts(facts, tx)

    async def school(self, timezone="Europe/Berlin", **changes):
        event = SchoolChanged(
            **({"school_id": uuid7(), "name": "Demo School", "timezone": timezone, "version": 1} | changes)
        )
        await self.append(event)
        return event.school_id

    async def student(
        self, school, name="Ada", grade="05", starts=None, ends=None, at=LONG_AGO, student=None, version=1
    ):
        """Add a student of a school, or a version of one."""
        student = student or uuid7()
        membership = Membership(school_id=school, role="student", grade=grade, starts=starts, ends=ends)
        await self.append(
            PersonChanged(
                person_id=student, given_name=name, family_name="Demo", memberships=(membership,), version=version
            ),
            StudentChanged(student_id=student, school_id=school, grade=grade, version=version),
            at=at,
        )
        return student

    def made(self, kind, school, student, record=None, version=1, **facts):
        """Make an event of a record."""
        event, defaults = KINDS[kind]
        base = {
            "record_id": record or uuid7(),
            "version": version,
            "school_id": school,
            "student_id": student,
            "recorded_at": LONG_AGO,
        }
        return event(**(base | defaults | facts))

    async def record(self, kind, school, student, record=None, **facts):
        event = self.made(kind, school, student, record, **facts)
        await self.append(event)
        return event.record_id

    async def monthly(self, school, month=dt.date(2026, 11, 1), position=None):
        ends = (month + dt.timedelta(days=31)).replace(day=1)
        return await self.report(monthly, Subject(school, month, ends, "en", position))

    async def progress(self, school, student, starts=dt.date(2026, 11, 1), ends=dt.date(2026, 12, 1), position=None):
        return await self.report(student_progress, Subject(school, starts, ends, "en", position, student))

    async def report(self, read, subject):
        async with self.service.transactions.begin() as tx:
            position = subject.position or await newest_position(tx, subject.school)
            subject = Subject(subject.school, subject.starts, subject.ends, subject.language, position, subject.student)
            origin = Origin(str(UUID(int=1)), LONG_AGO, position.records, "1")
            return await read(tx, subject, origin)

    async def emitted(self, topic):
        """Return the bodies of a topic's events in the outbox."""
        rows = await self.rows(EVENTS)
        return [json.loads(row["data"]) for row in rows if json.loads(row["headers"])["ce-type"] == topic]

"""The report service for tests: a real database, a log that a test writes, and work that a test performs."""

import datetime as dt
import json
from dataclasses import dataclass, field
from uuid import UUID

from prometheus_client import CollectorRegistry, Histogram
from uuid_utils.compat import uuid7

from reports.domain.content import Origin
from reports.facts import projection
from reports.facts.position import newest_position
from reports.figures.figures import Subject, monthly, student_progress
from reports.making import job, requests
from reports.permits import ReportPermit
from shared.events import (
    AbsenceRecorded,
    BehaviorRecorded,
    Envelope,
    GradeRecorded,
    PaymentRecorded,
    PersonChanged,
    RemarkRecorded,
    ReportRequested,
    SchoolChanged,
    StudentChanged,
    TaskCancelRequested,
)
from shared.events.directory import Membership
from shared.jobs.durations import job_seconds
from shared.projections.projector import LoggedEvent
from shared.service.service import Service
from shared.storage.blob_store import BlobStore

NOV, DEC = dt.date(2026, 11, 1), dt.date(2026, 12, 1)
NOW = dt.datetime(2026, 12, 1, 6, 0, 0, 123456, tzinfo=dt.UTC)
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


def asked(school, student=None, **changes):
    """Make the request of a report: of a student, of a grade, or of the school's month."""
    report = uuid7()
    kind = "student_progress" if student else "grade_progress" if "grade" in changes else "monthly"
    base = {"report_id": report, "task_id": report, "school_id": school, "kind": kind, "student_id": student}
    days = {"starts": NOV, "ends": DEC, "requested_at": NOW}
    return ReportRequested(**(base | days | changes))


@dataclass
class ReportsHarness:
    """A service whose projection and consumers do not run; `log` is what it has been given."""

    service: Service
    store: BlobStore
    log: list[LoggedEvent] = field(default_factory=list)
    seconds: Histogram = field(default_factory=lambda: job_seconds(CollectorRegistry(), ()))

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
        self, school, name="Ada", grade="05", starts=None, ends=None, at=LONG_AGO, student=None, version=1, classes=()
    ):
        """Add a student of a school, or a version of one."""
        student = student or uuid7()
        membership = Membership(school_id=school, role="student", grade=grade, starts=starts, ends=ends)
        await self.append(
            PersonChanged(
                person_id=student, given_name=name, family_name="Demo", memberships=(membership,), version=version
            ),
            StudentChanged(student_id=student, school_id=school, grade=grade, version=version, class_names=classes),
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

    async def receive(self, event):
        """Handle a request."""
        async with self.service.transactions.begin() as tx:
            await requests.request(event, tx, 10)

    async def make(self, event, store=None, limits=job.LIMITS):
        """Do the work of a request, as a worker would."""
        work, cause = ReportPermit(task_id=event.task_id), Envelope.of(event, "test")
        await job.make(work, cause, self.service.transactions, store or self.store, 0.3, self.seconds, limits)

    async def issue(self, event):
        """Handle a request and make its report."""
        await self.receive(event)
        await self.make(event)

    async def cancel(self, wish: TaskCancelRequested):
        async with self.service.transactions.begin() as tx:
            await job.cancel(wish, tx)

    async def content(self, key):
        blob = await self.store.open(key)
        return b"".join([part async for part in blob.chunks()])

    async def keys(self):
        """Return the keys of all stored files."""
        return sorted([each.key async for each in self.store.list("reports")])

    async def states(self):
        return {row["report_id"]: row["state"] for row in await self.rows("SELECT report_id, state FROM report")}

    async def files(self):
        """Return report and format → content."""
        rows = await self.rows("SELECT * FROM report_file")
        return {(row["report_id"], row["format"]): await self.content(row["blob"]) for row in rows}

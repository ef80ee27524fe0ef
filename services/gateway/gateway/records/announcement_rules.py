"""Decides what is announced of a student's record, and to which guardians: pure rules, without a database."""

import datetime as dt
import hashlib
import json
from dataclasses import dataclass
from typing import Literal

from shared.events import AbsenceRecorded, Audience, BehaviorRecorded, PaymentRecorded, ReportReady
from shared.events.values import Kind, Occasion, Responsibility

Record = AbsenceRecorded | BehaviorRecorded | PaymentRecorded

NEWS_DAYS = 7
"""A record of something older is history that was entered late: only corrections of it are announced."""
ABSENCE_HOURS = 24
"""An absence that could not be sent within a day is not sent any more."""


@dataclass(frozen=True, slots=True)
class RecordStatement:
    """The statement of a record now. `template` is None if there is nothing new to announce.

    `changed` and `withdrawn` are the templates for people who were notified of another state before.
    """

    record: Literal["absence", "behavior", "payment"]
    occasion: Occasion
    template: str | None
    changed: str
    withdrawn: str | None
    kind: Kind
    responsibility: Responsibility
    variables: dict[str, str]
    happened: dt.date | None
    urgent: bool = False

    @property
    def statement(self) -> str:
        """The name of the statement: the template, or how the record was withdrawn."""
        return self.template or self.withdrawn or self.changed

    @property
    def digest(self) -> bytes:
        """The hash of the statement: another statement has another hash."""
        return hashlib.sha256(json.dumps([self.statement, self.variables], sort_keys=True).encode()).digest()


@dataclass(frozen=True, slots=True)
class Announcement:
    """One notification. `to`: the whole audience, the people who were notified before, or those who were not."""

    template: str
    to: Literal["all", "told", "untold"]


def statement_of(record: Record) -> RecordStatement:
    """Return the statement of a record in its present state."""
    if isinstance(record, AbsenceRecorded):
        return _absence(record)
    if isinstance(record, BehaviorRecorded):
        return _behavior(record)
    return _payment(record)


def decide_announcements(
    now: RecordStatement, previous: str | None, digest: bytes | None, recorded_on: dt.date, *, announced: bool
) -> list[Announcement]:
    """Decide which notifications follow, after `previous` (None: none went out yet).

    `announced`: the school lets this occasion be announced. A correction goes out whatever the school's settings are by
    now: people who were notified before have a right to it.
    """
    if previous is None:
        news = now.happened is None or now.happened >= recorded_on - dt.timedelta(days=NEWS_DAYS)
        return [Announcement(now.template, "all")] if now.template and announced and news else []
    if digest == now.digest:
        return []
    if now.template is None:
        return [Announcement(now.withdrawn or now.changed, "told")]
    if previous == "payment_due" and now.template == "payment_received" and announced:
        return [Announcement(now.template, "all")]
    afresh = [Announcement(now.template, "untold")] if announced else []
    return [Announcement(now.changed, "told"), *afresh]


def _absence(record: AbsenceRecorded) -> RecordStatement:
    stands = not record.withdrawn and record.status != "excused"
    return RecordStatement(
        record="absence",
        occasion="absence",
        template="absence" if stands else None,
        changed="absence_changed",
        withdrawn="absence_withdrawn" if record.withdrawn else None,
        kind="academic",
        responsibility="care",
        variables={
            "day": record.day.isoformat(),
            "period": record.period or "",
            "status": record.status,
            "reason": record.reason or "",
        },
        happened=record.day,
        urgent=True,
    )


def _behavior(record: BehaviorRecorded) -> RecordStatement:
    return RecordStatement(
        record="behavior",
        occasion="behavior",
        template=None if record.withdrawn else "behavior",
        changed="behavior_changed",
        withdrawn="behavior_withdrawn" if record.withdrawn else None,
        kind="behavior",
        responsibility="custody",
        variables={
            "day": record.happened_on.isoformat(),
            "category": record.category,
            "severity": record.severity,
            "description": record.description,
        },
        happened=record.happened_on,
    )


def _payment(record: PaymentRecorded) -> RecordStatement:
    off = record.withdrawn or record.status == "cancelled"
    received = record.status == "received"
    afresh: dict[str, str | None] = {"due": "payment_due", "received": "payment_received"}
    return RecordStatement(
        record="payment",
        occasion="payment_received" if received else "payment_due",
        template=None if off else afresh.get(record.status),
        changed="payment_changed",
        withdrawn="payment_withdrawn" if off else None,
        kind="payment",
        responsibility="billing",
        variables={
            "amount": str(record.amount),
            "currency": record.currency,
            "status": record.status,
            "due_on": record.due_on.isoformat() if record.due_on else "",
            "paid_on": record.paid_on.isoformat() if record.paid_on else "",
            "purpose": record.purpose,
        },
        happened=record.paid_on if received else None,
    )


def report_audiences(report: ReportReady, *, announced: bool, requester_answers: bool) -> dict[str, Audience]:
    """Return the audiences that hear that a report is ready, by a name: its readers and its requester.

    The readers are the guardians with custody for a student's report, else the school's administration. `announced`:
    the school lets reports be announced; the requester hears in any case. `requester_answers`: whether the requester is
    one of the readers.
    """
    found = {}
    if announced and report.student_id is not None:
        found["guardians"] = Audience(students=(report.student_id,), responsibility="custody")
    elif announced:
        found["administration"] = Audience(school=True, roles=("school_admin",))
    if report.requested_by is not None and not (found and requester_answers):
        found["requester"] = Audience(people=(report.requested_by,))
    return found

"""What a run of a schedule tells: the event, and the outbox row that carries it."""

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.rows import DictRow

from scheduler import domain
from shared.errors import Reject
from shared.events import (
    Envelope,
    Event,
    FilesCleanupDue,
    NotificationDue,
    ReportsCleanupDue,
    ReportsMonthlyDue,
    TasksExpiryDue,
)
from shared.messaging.topology import EVENTS
from shared.transactions.outbox import OutboxEntry, json_text

SOURCE = "scheduler"
EXPIRES_AFTER = "expires_after_seconds"
"""In a payload: how long after its run a notification is still of use."""
RUN_FIELDS = ("notification_id", "task_id")
TIME = "ce-time"


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a schedule: its name within the schedule, its tick, and the ids that follow from them."""

    schedule: DictRow
    name: str
    due_at: dt.datetime

    @property
    def id(self) -> UUID:
        return domain.run_id(self.schedule["schedule_id"], self.name)

    @property
    def task_id(self) -> UUID:
        """A single run's task was named when it was asked for; others follow from the run."""
        named = (self.schedule["payload"] or {}).get("task_id")
        return UUID(named) if named else domain.run_id(self.id, "task")

    @property
    def notification_id(self) -> UUID | None:
        if self.schedule["emits"] != NotificationDue.topic:
            return None
        named = self.schedule["payload"].get("notification_id")
        return UUID(named) if named else domain.run_id(self.id, "notification")


def event_of(run: Run, directory_version: int = 0) -> Event:
    """The fact that this run tells."""
    schedule = run.schedule
    common: dict[str, Any] = {
        "schedule_id": schedule["schedule_id"],
        "task_id": run.task_id,
        "school_id": schedule["school_id"],
        "due_at": run.due_at,
    }
    match schedule["emits"]:
        case NotificationDue.topic:
            return _notification(run, common, directory_version)
        case ReportsMonthlyDue.topic:
            month = domain.month_that_ended(run.due_at, schedule["timezone"])
            return ReportsMonthlyDue(
                **common,
                month=month.first,
                timezone=schedule["timezone"],
                starts_at=month.starts_at,
                ends_at=month.ends_at,
            )
        case FilesCleanupDue.topic:
            return FilesCleanupDue(**common)
        case ReportsCleanupDue.topic:
            return ReportsCleanupDue(**common)
        case TasksExpiryDue.topic:
            return TasksExpiryDue(**common)
        case other:
            raise Reject(f"no schedule emits {other!r}")


def _notification(run: Run, common: dict[str, Any], directory_version: int) -> NotificationDue:
    schedule = run.schedule
    payload = {name: value for name, value in schedule["payload"].items() if name not in RUN_FIELDS}
    after = payload.pop(EXPIRES_AFTER, None)
    limits = [dt.datetime.fromisoformat(payload.pop("expires_at"))] if payload.get("expires_at") else []
    if after is not None:
        limits.append(run.due_at + dt.timedelta(seconds=after))
    if payload["kind"] == "safety":
        limits.append(domain.end_of_day(run.due_at, schedule["timezone"]))
    return NotificationDue(
        **payload
        | common
        | {
            "notification_id": run.notification_id,
            "expires_at": min(limits, default=None),
            "directory_version": directory_version,
            "requested_by": schedule["requested_by"],
            "requested_at": schedule["requested_at"],
        }
    )


def outgoing(run: Run, event: Event, now: dt.datetime) -> OutboxEntry:
    """The outbox row of a run; its message id is the run's, so that consumers' inboxes take it once."""
    envelope = json_text(headers(run, event) | {TIME: now})
    return OutboxEntry(EVENTS, event.topic, envelope, event.model_dump_json(), _seal(event))


def headers(run: Run, event: Event) -> dict[str, str]:
    """The envelope without its time."""
    envelope = Envelope(
        id=run.id,
        type=event.topic,
        source=SOURCE,
        time=run.due_at,
        subject=event.subject,
        major=event.major,
        school_id=event.school,
        task_id=event.task,
        correlation_id=run.schedule["correlation_id"] or run.schedule["schedule_id"],
    )
    found = envelope.headers()
    del found[TIME]
    return found


def _seal(event: Event) -> UUID | None:
    return event.sealed_for if event.personal else None


def prepared(run: Run) -> dict[str, str]:
    """Headers and body of a single run as texts that the firing statement completes: time and directory version."""
    event = event_of(run)
    body = event.model_dump_json(exclude={"directory_version"})
    return {"headers": json.dumps(headers(run, event)), "data": body}

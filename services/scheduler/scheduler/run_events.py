"""The event that a run of a schedule publishes, and its outbox row."""

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
"""Field of a payload: seconds after the run for which the notification is useful."""
RUN_FIELDS = ("notification_id", "task_id")
TIME = "ce-time"


@dataclass(frozen=True, slots=True)
class ScheduledRun:
    """One run of a schedule: its name within the schedule, its due time, and the ids that follow from them."""

    schedule: DictRow
    name: str
    due_at: dt.datetime

    @property
    def id(self) -> UUID:
        return domain.run_id(self.schedule["schedule_id"], self.name)

    @property
    def task_id(self) -> UUID:
        """The task of a single run was named in the request; other task ids are derived from the run."""
        named = (self.schedule["payload"] or {}).get("task_id")
        return UUID(named) if named else domain.run_id(self.id, "task")

    @property
    def notification_id(self) -> UUID | None:
        if self.schedule["emits"] != NotificationDue.topic:
            return None
        named = self.schedule["payload"].get("notification_id")
        return UUID(named) if named else domain.run_id(self.id, "notification")


def event_of(run: ScheduledRun, directory_version: int = 0) -> Event:
    """Make the event of a run."""
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
            month = domain.previous_month(run.due_at, schedule["timezone"])
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


def _notification(run: ScheduledRun, common: dict[str, Any], directory_version: int) -> NotificationDue:
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


def outbox_entry(run: ScheduledRun, event: Event, now: dt.datetime) -> OutboxEntry:
    """Make the outbox row of a run. Its message id is the id of the run, so that consumers handle it once."""
    envelope = json_text(envelope_headers(run, event) | {TIME: now})
    return OutboxEntry(EVENTS, event.routing_key, envelope, event.model_dump_json(), _encryption_subject(event))


def envelope_headers(run: ScheduledRun, event: Event) -> dict[str, str]:
    """Return the headers of a run's message without the time."""
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


def _encryption_subject(event: Event) -> UUID | None:
    return event.sealed_for if event.personal else None


def prepared_message(run: ScheduledRun) -> dict[str, str]:
    """Return headers and body of a single run as texts. FIRE_SINGLE_RUNS adds the time and the directory version."""
    event = event_of(run)
    body = event.model_dump_json(exclude={"directory_version"})
    return {"headers": json.dumps(envelope_headers(run, event)), "data": body}

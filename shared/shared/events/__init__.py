"""The public vocabulary: every fact that leaves a service, one file per noun."""

from shared.events.base import DirectoryEvent, Envelope, Event, Personal, StateEvent
from shared.events.directory import DIRECTORY, CalendarChanged, PersonChanged, SchoolChanged, StudentChanged
from shared.events.notifications import (
    Audience,
    NotificationCompleted,
    NotificationIntent,
    NotificationPlanned,
    NotificationRequested,
)
from shared.events.records import (
    RECORDS,
    AbsenceRecorded,
    BehaviorRecorded,
    GradeRecorded,
    PaymentRecorded,
    RemarkRecorded,
)
from shared.events.tasks import FINAL, TaskCancelRequested, TaskChanged, TaskState

__all__ = [
    "DIRECTORY",
    "FINAL",
    "RECORDS",
    "AbsenceRecorded",
    "Audience",
    "BehaviorRecorded",
    "CalendarChanged",
    "DirectoryEvent",
    "Envelope",
    "Event",
    "GradeRecorded",
    "NotificationCompleted",
    "NotificationIntent",
    "NotificationPlanned",
    "NotificationRequested",
    "PaymentRecorded",
    "PersonChanged",
    "Personal",
    "RemarkRecorded",
    "SchoolChanged",
    "StateEvent",
    "StudentChanged",
    "TaskCancelRequested",
    "TaskChanged",
    "TaskState",
]

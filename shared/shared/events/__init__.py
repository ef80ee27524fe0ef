"""The public vocabulary: every fact that leaves a service, one file per noun."""

from shared.events.base import DirectoryEvent, Envelope, Event, Personal, StateEvent
from shared.events.directory import DIRECTORY, PersonChanged, SchoolChanged, StudentChanged
from shared.events.notifications import (
    Audience,
    NotificationCompleted,
    NotificationPlanned,
    NotificationRequested,
)
from shared.events.tasks import FINAL, TaskChanged, TaskState

__all__ = [
    "DIRECTORY",
    "FINAL",
    "Audience",
    "DirectoryEvent",
    "Envelope",
    "Event",
    "NotificationCompleted",
    "NotificationPlanned",
    "NotificationRequested",
    "PersonChanged",
    "Personal",
    "SchoolChanged",
    "StateEvent",
    "StudentChanged",
    "TaskChanged",
    "TaskState",
]

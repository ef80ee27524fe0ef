"""Public events: the facts that services publish, one file per noun."""

from shared.events.consumers import ConsumersOrdered
from shared.events.devices import DeviceInvalidated
from shared.events.directory import DIRECTORY, CalendarChanged, PersonChanged, SchoolChanged, StudentChanged
from shared.events.envelope import Envelope
from shared.events.event import DirectoryEvent, Event, Personal, StateEvent
from shared.events.files import (
    FileConfirmed,
    FileDeleted,
    FileNeedsReview,
    FileProcessed,
    FileRefused,
    FileRestored,
    FilesCleaned,
    FileUploaded,
    RecordFound,
)
from shared.events.notifications import (
    Audience,
    InboxChanged,
    NotificationCompleted,
    NotificationIntent,
    NotificationPlanned,
    NotificationRead,
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
from shared.events.replays import ReplayMode, ReplayRequested, replay_task
from shared.events.reports import ReportFailed, ReportReady, ReportRequested, ReportsCleaned
from shared.events.schedules import (
    FilesCleanupDue,
    NotificationDue,
    ReportsCleanupDue,
    ReportsMonthlyDue,
    RunDue,
    ScheduleChanged,
    ScheduleRequested,
    TasksExpiryDue,
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
    "ConsumersOrdered",
    "DeviceInvalidated",
    "DirectoryEvent",
    "Envelope",
    "Event",
    "FileConfirmed",
    "FileDeleted",
    "FileNeedsReview",
    "FileProcessed",
    "FileRefused",
    "FileRestored",
    "FileUploaded",
    "FilesCleaned",
    "FilesCleanupDue",
    "GradeRecorded",
    "InboxChanged",
    "NotificationCompleted",
    "NotificationDue",
    "NotificationIntent",
    "NotificationPlanned",
    "NotificationRead",
    "NotificationRequested",
    "PaymentRecorded",
    "PersonChanged",
    "Personal",
    "RecordFound",
    "RemarkRecorded",
    "ReplayMode",
    "ReplayRequested",
    "ReportFailed",
    "ReportReady",
    "ReportRequested",
    "ReportsCleaned",
    "ReportsCleanupDue",
    "ReportsMonthlyDue",
    "RunDue",
    "ScheduleChanged",
    "ScheduleRequested",
    "SchoolChanged",
    "StateEvent",
    "StudentChanged",
    "TaskCancelRequested",
    "TaskChanged",
    "TaskState",
    "TasksExpiryDue",
    "replay_task",
]

"""The gateway's tables, a file for each noun; the spine's are in `shared.persistence.tables`.

Row-level security, triggers, functions and storage options are in `migrations`.
"""

from gateway.tables.accounts import (
    AccountNameRow,
    AccountRow,
    AdministratorRow,
    AdministratorShown,
    InvitationRow,
    RefreshTokenRow,
    SignInFailureRow,
)
from gateway.tables.api_keys import ApiKeyRow, ApiKeyShown
from gateway.tables.audit import AuditRow, AuditShown, RefusedAttemptRow
from gateway.tables.base import GatewayTable
from gateway.tables.classes import ClassKind, ClassRole, EnrolmentRow, EnrolmentShown, SchoolClassRow, SchoolClassShown
from gateway.tables.files import UploadRow
from gateway.tables.imports import ImportJobRow, ImportPartRow, ImportRejectionRow, ImportRejectionShown
from gateway.tables.people import ContactRow, DeviceRow, DeviceShown, MembershipRow, PersonRow, PreferenceRow
from gateway.tables.records import AnnouncementRow, RecordRow, RecordShown
from gateway.tables.schools import CalendarRow, ClosureRow, SchoolRow, SchoolShown, TermRow
from gateway.tables.sends import HeldSendRow, HeldSendShown, IdempotencyKeyRow, IntentRow, ScheduleIntentRow
from gateway.tables.students import GuardianshipRow, StudentRow
from gateway.tables.tasks import (
    FailureCountRow,
    FailureRetryMemberRow,
    FailureRetryRow,
    FailureRetrySelectionRow,
    FailureRow,
    FailureShown,
    TaskRow,
    TaskShown,
    WorkerRow,
    WorkerShown,
)

__all__ = [
    "AccountNameRow",
    "AccountRow",
    "AdministratorRow",
    "AdministratorShown",
    "AnnouncementRow",
    "ApiKeyRow",
    "ApiKeyShown",
    "AuditRow",
    "AuditShown",
    "CalendarRow",
    "ClassKind",
    "ClassRole",
    "ClosureRow",
    "ContactRow",
    "DeviceRow",
    "DeviceShown",
    "EnrolmentRow",
    "EnrolmentShown",
    "FailureCountRow",
    "FailureRetryMemberRow",
    "FailureRetryRow",
    "FailureRetrySelectionRow",
    "FailureRow",
    "FailureShown",
    "GatewayTable",
    "GuardianshipRow",
    "HeldSendRow",
    "HeldSendShown",
    "IdempotencyKeyRow",
    "ImportJobRow",
    "ImportPartRow",
    "ImportRejectionRow",
    "ImportRejectionShown",
    "IntentRow",
    "InvitationRow",
    "MembershipRow",
    "PersonRow",
    "PreferenceRow",
    "RecordRow",
    "RecordShown",
    "RefreshTokenRow",
    "RefusedAttemptRow",
    "ScheduleIntentRow",
    "SchoolClassRow",
    "SchoolClassShown",
    "SchoolRow",
    "SchoolShown",
    "SignInFailureRow",
    "StudentRow",
    "TaskRow",
    "TaskShown",
    "TermRow",
    "UploadRow",
    "WorkerRow",
    "WorkerShown",
]

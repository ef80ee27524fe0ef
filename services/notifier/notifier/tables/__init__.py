"""The notifier's tables, a file for each noun; the spine's are in `shared.persistence.tables`.

Row-level security, the trigger on deliveries, functions and storage options are in `migrations`.
"""

from notifier.tables.base import NotifierTable
from notifier.tables.deliveries import (
    AttemptRow,
    DeliveryRow,
    DigestWindowRow,
    GroupAddressRow,
    ReleaseRow,
    UrgentRateRow,
)
from notifier.tables.directory import (
    ContactRow,
    DeviceRow,
    ForgottenRow,
    GuardianshipRow,
    MembershipRow,
    PersonRow,
    PreferenceRow,
    SchoolRow,
    StudentRow,
)
from notifier.tables.escalations import EscalationPersonRow, EscalationRow, EscalationShown
from notifier.tables.inbox import InboxItemRow
from notifier.tables.notifications import NotificationRow, NotificationShown, RenderingRow, TemplateRow
from notifier.tables.suppressions import SuppressionRow, SuppressionShown

__all__ = [
    "AttemptRow",
    "ContactRow",
    "DeliveryRow",
    "DeviceRow",
    "DigestWindowRow",
    "EscalationPersonRow",
    "EscalationRow",
    "EscalationShown",
    "ForgottenRow",
    "GroupAddressRow",
    "GuardianshipRow",
    "InboxItemRow",
    "MembershipRow",
    "NotificationRow",
    "NotificationShown",
    "NotifierTable",
    "PersonRow",
    "PreferenceRow",
    "ReleaseRow",
    "RenderingRow",
    "SchoolRow",
    "StudentRow",
    "SuppressionRow",
    "SuppressionShown",
    "TemplateRow",
    "UrgentRateRow",
]

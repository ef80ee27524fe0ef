"""The report service's tables, a file for each noun; the spine's are in `shared.persistence.tables`.

Row-level security is in `migrations`.
"""

from reports.tables.base import ReportsTable
from reports.tables.directory import (
    MembershipFactRow,
    PersonFactRow,
    SchoolFactRow,
    SchoolPositionRow,
    StudentFactRow,
)
from reports.tables.notifications import NotificationFactRow, ReadFactRow
from reports.tables.records import AbsenceFactRow, BehaviorFactRow, GradeFactRow, PaymentFactRow, RemarkFactRow
from reports.tables.reports import ReportFileRow, ReportFileShown, ReportRow, ReportShown, SchoolErasureRow

__all__ = [
    "AbsenceFactRow",
    "BehaviorFactRow",
    "GradeFactRow",
    "MembershipFactRow",
    "NotificationFactRow",
    "PaymentFactRow",
    "PersonFactRow",
    "ReadFactRow",
    "RemarkFactRow",
    "ReportFileRow",
    "ReportFileShown",
    "ReportRow",
    "ReportShown",
    "ReportsTable",
    "SchoolErasureRow",
    "SchoolFactRow",
    "SchoolPositionRow",
    "StudentFactRow",
]

"""OneRoster CSV, versions 1.1 and 1.2: a zip in, typed records and rejected rows out.

>>> with read(path) as roster:
...     for person in roster.people():
...         ...
"""

from gateway.roster_import.oneroster.archive import Limits
from gateway.roster_import.oneroster.errors import Rejected, RosterRefused, Scope
from gateway.roster_import.oneroster.existing import Known
from gateway.roster_import.oneroster.manifest import Mode
from gateway.roster_import.oneroster.near_columns import NearColumn
from gateway.roster_import.oneroster.reader import Roster, read, source_of
from gateway.roster_import.oneroster.records import (
    Enrolment,
    Guardianship,
    Membership,
    Org,
    Person,
    Role,
    SchoolClass,
    Status,
    Student,
    Term,
)

__all__ = [
    "Enrolment",
    "Guardianship",
    "Known",
    "Limits",
    "Membership",
    "Mode",
    "NearColumn",
    "Org",
    "Person",
    "Rejected",
    "Role",
    "Roster",
    "RosterRefused",
    "SchoolClass",
    "Scope",
    "Status",
    "Student",
    "Term",
    "read",
    "source_of",
]

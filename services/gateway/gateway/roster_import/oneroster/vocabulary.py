"""The words that OneRoster allows, and our role for each of its roles.

Sources: 1EdTech OneRoster 1.1.1 CSV Tables and OneRoster 1.2.1 CSV Binding (both final, 22 August 2023).
"""

MANIFEST = "manifest.csv"
ORGS = "orgs.csv"
SESSIONS = "academicSessions.csv"
COURSES = "courses.csv"
USERS = "users.csv"
ROLES = "roles.csv"
CLASSES = "classes.csv"
ENROLLMENTS = "enrollments.csv"

# Everything else the manifest may announce (demographics, userProfiles, lineItems, …) is not read.
FILES = (ORGS, SESSIONS, COURSES, USERS, ROLES, CLASSES, ENROLLMENTS)

ORG_TYPES = frozenset({"department", "school", "district", "local", "state", "national"})
SESSION_TYPES = frozenset({"gradingPeriod", "semester", "schoolYear", "term"})
CLASS_TYPES = frozenset({"homeroom", "scheduled"})
ROLE_TYPES = frozenset({"primary", "secondary"})
# aide is in the 1.1 service but not in the CSV tables; exporters write it.
ENROLLMENT_ROLES = frozenset({"administrator", "aide", "proctor", "student", "teacher"})

# OneRoster role → role here. Nothing in an uploaded file makes a platform administrator.
USER_ROLES_1_1 = {
    "administrator": "school_admin",
    "aide": "staff",
    "guardian": "guardian",
    "parent": "guardian",
    "proctor": "staff",
    "relative": "guardian",
    "student": "student",
    "teacher": "teacher",
}
USER_ROLES_1_2 = {
    "aide": "staff",
    "counselor": "staff",
    "districtAdministrator": "school_admin",
    "guardian": "guardian",
    "parent": "guardian",
    "principal": "school_admin",
    "proctor": "staff",
    "relative": "guardian",
    "siteAdministrator": "school_admin",
    "student": "student",
    "systemAdministrator": "school_admin",
    "teacher": "teacher",
}
USER_ROLES = {"1.1": USER_ROLES_1_1, "1.2": USER_ROLES_1_2}

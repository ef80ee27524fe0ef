"""Who may do what, as data: role × route, and role × audience. The code and its tests read the same tables."""

from typing import Literal

from shared.events.directory import Role

AudienceKind = Literal["people", "grade", "school"]

ADMINS: frozenset[Role] = frozenset({"platform_admin", "school_admin"})
OFFICE: frozenset[Role] = ADMINS | {"staff"}
SCHOOL_STAFF: frozenset[Role] = OFFICE | {"teacher"}
OPERATORS: frozenset[Role] = frozenset({"platform_admin"})
EVERYBODY: frozenset[Role] = SCHOOL_STAFF | {"guardian", "student"}

ROUTES: dict[tuple[str, str], frozenset[Role]] = {
    ("GET", "/v1/schools"): EVERYBODY,
    ("GET", "/v1/people"): SCHOOL_STAFF,
    ("GET", "/v1/people/{person_id}"): SCHOOL_STAFF,
    ("POST", "/v1/devices:bulk"): ADMINS,
    ("PUT", "/v1/me/devices"): EVERYBODY,
    ("POST", "/v1/imports/oneroster"): ADMINS,
    ("GET", "/v1/imports/{task_id}/rejected"): ADMINS,
    ("POST", "/v1/notifications"): SCHOOL_STAFF,
    ("GET", "/v1/notifications"): SCHOOL_STAFF,
    ("GET", "/v1/notifications/{notification_id}"): SCHOOL_STAFF,
    ("GET", "/v1/tasks"): SCHOOL_STAFF,
    ("GET", "/v1/tasks/{task_id}"): SCHOOL_STAFF,
    ("GET", "/v1/workers"): OPERATORS,
    ("GET", "/v1/failures"): OPERATORS,
}
"""Every route that needs a token, and the roles that may take it."""

PUBLIC: frozenset[tuple[str, str]] = frozenset(
    {
        ("GET", "/"),
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
        ("GET", "/health/live"),
        ("GET", "/health/ready"),
        ("GET", "/metrics"),
    }
)
"""Routes that anybody may take; they show nothing of any school."""

AUDIENCES: dict[Role, frozenset[AudienceKind]] = {
    "platform_admin": frozenset({"people", "grade", "school"}),
    "school_admin": frozenset({"people", "grade", "school"}),
    "staff": frozenset({"people", "grade", "school"}),
    "teacher": frozenset({"people", "grade"}),
}
"""Whom a role may write to."""

OWN_TASKS_ONLY: frozenset[Role] = frozenset({"teacher"})
"""Roles that see the tasks they asked for, and nobody else's."""


def may(role: Role, method: str, route: str) -> bool:
    """Whether a role may take a route that needs a token; a route in no table is closed."""
    return role in ROUTES.get((method, route), frozenset())

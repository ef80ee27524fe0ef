"""Who may do what: roles by route, as data, used by the code and by the tests."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Depends, Request

from gateway.problems import Problem
from shared.events.values import Role

ADMINS: frozenset[Role] = frozenset({"platform_admin", "school_admin"})
STAFF: frozenset[Role] = ADMINS | {"staff", "teacher"}
EVERYBODY: frozenset[Role] = STAFF | {"guardian", "student"}

ACCESS: dict[tuple[str, str], frozenset[Role]] = {
    ("POST", "/v1/imports/oneroster"): frozenset({"platform_admin"}),
    ("GET", "/v1/imports/{task_id}/rejected"): frozenset({"platform_admin"}),
    ("POST", "/v1/devices:bulk"): frozenset({"platform_admin"}),
    ("PUT", "/v1/me/devices"): EVERYBODY,
    ("POST", "/v1/notifications"): STAFF,
    ("POST", "/v1/notifications:preview"): STAFF,
    ("GET", "/v1/notifications"): STAFF,
    ("GET", "/v1/notifications/{notification_id}"): STAFF,
    ("GET", "/v1/notifications/{notification_id}/reach"): STAFF,
    ("GET", "/v1/notifications/{notification_id}/why/{person_id}"): EVERYBODY,
    ("GET", "/v1/templates"): STAFF,
    ("GET", "/v1/templates/{name}"): STAFF,
    ("PUT", "/v1/templates/{name}"): ADMINS,
    ("DELETE", "/v1/templates/{name}"): ADMINS,
    ("POST", "/v1/templates/{name}/preview"): STAFF,
    ("GET", "/v1/me/inbox"): EVERYBODY,
    ("GET", "/v1/me/inbox/unread"): EVERYBODY,
    ("POST", "/v1/me/inbox/read"): EVERYBODY,
    ("POST", "/v1/me/inbox/{notification_id}/read"): EVERYBODY,
    ("POST", "/v1/me/inbox/{notification_id}/acknowledge"): EVERYBODY,
    ("POST", "/v1/notifications/{notification_id}/cancel"): STAFF,
    ("POST", "/v1/notifications/{notification_id}/resend"): STAFF,
    ("GET", "/v1/suppressions"): ADMINS | {"staff"},
    ("POST", "/v1/suppressions"): ADMINS | {"staff"},
    ("DELETE", "/v1/suppressions/{suppression_id}"): ADMINS | {"staff"},
    ("GET", "/v1/schedules"): STAFF,
    ("POST", "/v1/schedules/preview"): STAFF,
    ("GET", "/v1/schedules/{schedule_id}"): STAFF,
    ("PATCH", "/v1/schedules/{schedule_id}"): STAFF,
    ("DELETE", "/v1/schedules/{schedule_id}"): STAFF,
    ("POST", "/v1/schedules/{schedule_id}/pause"): STAFF,
    ("POST", "/v1/schedules/{schedule_id}/resume"): STAFF,
    ("POST", "/v1/schedules/{schedule_id}/run-now"): STAFF,
    ("GET", "/v1/tasks"): STAFF,
    ("GET", "/v1/tasks/{task_id}"): STAFF,
    ("POST", "/v1/tasks/{task_id}/cancel"): STAFF,
    ("GET", "/v1/schools"): STAFF,
    ("POST", "/v1/schools"): frozenset({"platform_admin"}),
    ("GET", "/v1/schools/{school_id}"): EVERYBODY,
    ("PATCH", "/v1/schools/{school_id}"): ADMINS,
    ("GET", "/v1/schools/{school_id}/calendar"): EVERYBODY,
    ("PUT", "/v1/schools/{school_id}/calendar"): ADMINS,
    ("POST", "/v1/schools/{school_id}/closures"): ADMINS,
    ("DELETE", "/v1/schools/{school_id}/closures/{closure_id}"): ADMINS,
    ("GET", "/v1/people"): STAFF,
    ("POST", "/v1/people"): ADMINS,
    ("GET", "/v1/people/{person_id}"): STAFF,
    ("PATCH", "/v1/people/{person_id}"): ADMINS,
    ("DELETE", "/v1/people/{person_id}"): frozenset({"platform_admin"}),
    ("PUT", "/v1/people/{person_id}/contacts"): ADMINS | {"staff"},
    ("PUT", "/v1/people/{person_id}/memberships"): ADMINS,
    ("DELETE", "/v1/people/{person_id}/memberships/{role}"): ADMINS,
    ("GET", "/v1/people/{person_id}/preferences"): STAFF,
    ("PUT", "/v1/people/{person_id}/preferences"): ADMINS | {"staff"},
    ("GET", "/v1/students"): EVERYBODY,
    ("GET", "/v1/students/{student_id}"): EVERYBODY,
    ("PATCH", "/v1/students/{student_id}"): ADMINS,
    ("PUT", "/v1/students/{student_id}/guardians"): ADMINS,
    ("GET", "/v1/classes"): STAFF,
    ("POST", "/v1/classes"): ADMINS,
    ("GET", "/v1/classes/{class_id}"): STAFF,
    ("PATCH", "/v1/classes/{class_id}"): ADMINS,
    ("GET", "/v1/classes/{class_id}/enrolments"): STAFF,
    ("POST", "/v1/classes/{class_id}/enrolments"): ADMINS,
    ("DELETE", "/v1/classes/{class_id}/enrolments/{person_id}"): ADMINS,
    ("GET", "/v1/me/preferences"): EVERYBODY,
    ("PUT", "/v1/me/preferences"): EVERYBODY,
    ("GET", "/v1/me/devices"): EVERYBODY,
    ("POST", "/v1/me/devices:remove"): EVERYBODY,
    ("GET", "/v1/workers"): frozenset({"platform_admin"}),
    ("GET", "/v1/failures"): frozenset({"platform_admin"}),
    ("POST", "/v1/failures/{failure_id}/retry"): frozenset({"platform_admin"}),
    ("GET", "/v1/tasks/events"): STAFF,
    ("GET", "/v1/me/inbox/events"): EVERYBODY,
    ("GET", "/v1/audit"): ADMINS,
    ("GET", "/v1/keys"): ADMINS,
    ("POST", "/v1/keys"): ADMINS,
    ("GET", "/v1/keys/{key_id}"): ADMINS,
    ("PATCH", "/v1/keys/{key_id}"): ADMINS,
    ("DELETE", "/v1/keys/{key_id}"): ADMINS,
    ("PUT", "/v1/me/password"): EVERYBODY,
    ("PUT", "/v1/me/firebase"): EVERYBODY,
    ("POST", "/v1/people/{person_id}/invitations"): ADMINS,
    ("POST", "/v1/administrators"): frozenset({"platform_admin"}),
    ("GET", "/v1/administrators"): frozenset({"platform_admin"}),
    ("DELETE", "/v1/administrators/{person_id}"): frozenset({"platform_admin"}),
}
"""(method, route) → roles that may."""

RECORDERS: dict[str, frozenset[Role]] = {
    "behavior-reports": STAFF,
    "payments": ADMINS | {"staff"},
    "absences": STAFF,
    "grades": ADMINS | {"teacher"},
    "remarks": ADMINS | {"teacher"},
}
"""Kind of record, by its path → roles that record, correct and withdraw it. Whoever is in the school may read."""
for _kind, _roles in RECORDERS.items():
    ACCESS |= {
        ("GET", f"/v1/{_kind}"): EVERYBODY,
        ("POST", f"/v1/{_kind}"): _roles,
        ("POST", f"/v1/{_kind}:bulk"): _roles,
        ("GET", f"/v1/{_kind}/{{record_id}}"): EVERYBODY,
        ("PUT", f"/v1/{_kind}/{{record_id}}"): _roles,
        ("DELETE", f"/v1/{_kind}/{{record_id}}"): _roles,
    }

PUBLIC: frozenset[tuple[str, str]] = frozenset(
    {
        ("POST", "/v1/sessions"),
        ("POST", "/v1/sessions/refresh"),
        ("POST", "/v1/sessions/end"),
        ("POST", "/v1/invitations/accept"),
        ("GET", "/unsubscribe/{token}"),
        ("POST", "/unsubscribe/{token}"),
    }
)
"""Routes for those who have no token yet; they are limited by address."""

UNAUDITED: frozenset[tuple[str, str]] = frozenset(
    {
        ("POST", "/v1/notifications"),
        ("POST", "/v1/notifications:preview"),
        ("PUT", "/v1/me/devices"),
        ("POST", "/v1/me/inbox/read"),
        ("POST", "/v1/me/inbox/{notification_id}/read"),
        ("POST", "/v1/me/inbox/{notification_id}/acknowledge"),
        ("POST", "/v1/templates/{name}/preview"),
    }
)
"""What changes something and is no act of administration: the task of a notification says who asked for it."""


def scope_of(method: str, route: str) -> str:
    """The scope that an API key needs for a route: `people:read`, `notifications:write`."""
    noun = route.split("/")[2].partition(":")[0]
    return f"{noun}:{'read' if method == 'GET' else 'write'}"


SCOPES: tuple[str, ...] = tuple(sorted({scope_of(*route) for route in ACCESS if not route[1].startswith("/v1/me/")}))
"""Every scope there is. What belongs to a person is not for keys."""


@dataclass(slots=True)
class Trail:
    """What the audit is to know beyond route and caller: the school that it turned out to be about, more ids."""

    school: UUID | None = None
    subject: dict[str, Any] = field(default_factory=dict)


REACH: dict[Role, Literal["guardian", "self"]] = {"guardian": "guardian", "student": "self"}
"""Roles that see only the students they answer for, or themselves, where a route is open to them."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `school` is None for the whole group (platform administrators only); `key` is set for an API key."""

    person: UUID | None
    role: Role
    school: UUID | None
    key: UUID | None = None
    scopes: frozenset[str] = frozenset()
    trail: Trail = field(default_factory=Trail, compare=False)

    @property
    def name(self) -> str:
        """A stable name for idempotency keys and limits."""
        return f"key:{self.key}" if self.key else f"{self.role}:{self.person or '-'}"

    @property
    def everywhere(self) -> bool:
        """Whether the caller may act in any school."""
        return self.role == "platform_admin"

    def allowed(self, method: str, route: str) -> None:
        """Raise 403 unless the role, and for a key its scopes, cover the route."""
        if self.role not in ACCESS[method, route]:
            raise Problem(403, "forbidden")
        if self.school is None and self.role != "platform_admin":
            raise Problem(403, "forbidden", "This role needs a token that is bound to a school.")
        if self.key is not None and scope_of(method, route) not in self.scopes:
            raise Problem(403, "forbidden", f"This key lacks the scope {scope_of(method, route)}.")


def reach(caller: Caller) -> dict[str, UUID]:
    """The condition on students that a caller's role brings along: `guardian` or `self`, or none."""
    narrowed = REACH.get(caller.role)
    if narrowed is None:
        return {}
    if caller.person is None:
        raise Problem(403, "forbidden", "This token belongs to no person.")
    return {narrowed: caller.person}


def admitted(request: Request, route: tuple[str, str]) -> Caller:
    """The caller whom the door has let in for exactly this route."""
    through, found = request.scope.get("admitted", (None, None))
    if found is None or through != route:
        raise Problem(403, "forbidden")
    let_in: Caller = found
    return let_in


async def caller(request: Request) -> Caller:
    """The caller whom the door has let in for the route that answers."""
    return admitted(request, (request.method, request.scope["route"].path))


async def person(who: Annotated[Caller, Depends(caller)]) -> Caller:
    """The caller, who is a person and not a program."""
    if who.person is None:
        raise Problem(403, "forbidden", "This token belongs to no person.")
    return who


async def signed_in(who: Annotated[Caller, Depends(caller)]) -> Caller:
    """The caller, who came with a token and not with a key: a key makes no keys and opens nobody's account."""
    if who.key is not None:
        raise Problem(403, "forbidden", "This is not for API keys.")
    return who


Known = Annotated[Caller, Depends(caller)]
SignedIn = Annotated[Caller, Depends(signed_in)]
KnownPerson = Annotated[Caller, Depends(person)]

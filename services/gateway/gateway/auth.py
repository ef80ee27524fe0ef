"""Who may do what: roles by route, as data, used by the code and by the tests."""

from dataclasses import dataclass
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, Header, Request

from gateway.problems import Problem
from shared.events.directory import Role
from shared.tokens import Claims, TokenRefused

ADMINS: frozenset[Role] = frozenset({"platform_admin", "school_admin"})
STAFF: frozenset[Role] = ADMINS | {"staff", "teacher"}
EVERYBODY: frozenset[Role] = STAFF | {"guardian", "student"}

ACCESS: dict[tuple[str, str], frozenset[Role]] = {
    ("POST", "/v1/imports/oneroster"): frozenset({"platform_admin"}),
    ("GET", "/v1/imports/{task_id}/rejected"): frozenset({"platform_admin"}),
    ("POST", "/v1/devices:bulk"): frozenset({"platform_admin"}),
    ("PUT", "/v1/me/devices"): EVERYBODY,
    ("POST", "/v1/notifications"): STAFF,
    ("GET", "/v1/notifications"): STAFF,
    ("GET", "/v1/notifications/{notification_id}"): STAFF,
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


REACH: dict[Role, Literal["guardian", "self"]] = {"guardian": "guardian", "student": "self"}
"""Roles that see only the students they answer for, or themselves, where a route is open to them."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `school` is None for the whole group (platform administrators only)."""

    person: UUID | None
    role: Role
    school: UUID | None

    @property
    def name(self) -> str:
        """A stable name for idempotency keys and audit."""
        return f"{self.role}:{self.person or '-'}"

    @property
    def everywhere(self) -> bool:
        """Whether the caller may act in any school."""
        return self.role == "platform_admin"


def reach(caller: Caller) -> dict[str, UUID]:
    """The condition on students that a caller's role brings along: `guardian` or `self`, or none."""
    narrowed = REACH.get(caller.role)
    if narrowed is None:
        return {}
    if caller.person is None:
        raise Problem(403, "forbidden", "This token belongs to no person.")
    return {narrowed: caller.person}


def caller(request: Request, authorization: Annotated[str, Header()] = "") -> Caller:
    """The caller, if the token is valid and its role may use this route."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise Problem(401, "unauthenticated")
    try:
        claims = Claims.verify(token, request.app.state.service.verify_key, "access")
    except TokenRefused as problem:
        raise Problem(401, "unauthenticated", str(problem)) from problem
    if claims.role not in ACCESS[request.method, request.scope["route"].path]:
        raise Problem(403, "forbidden")
    if claims.school is None and claims.role != "platform_admin":
        raise Problem(403, "forbidden", "This role needs a token that is bound to a school.")
    return Caller(claims.person, claims.role, claims.school)


Known = Annotated[Caller, Depends(caller)]

"""Who may do what: roles by route, as data, used by the code and by the tests."""

from dataclasses import dataclass
from typing import Annotated
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
    ("GET", "/v1/tasks"): STAFF,
    ("GET", "/v1/tasks/{task_id}"): STAFF,
    ("POST", "/v1/tasks/{task_id}/cancel"): STAFF,
    ("GET", "/v1/schools"): STAFF,
    ("GET", "/v1/people"): STAFF,
    ("GET", "/v1/workers"): frozenset({"platform_admin"}),
    ("GET", "/v1/failures"): frozenset({"platform_admin"}),
}
"""(method, route) → roles that may."""


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

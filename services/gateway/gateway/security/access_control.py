"""Access control: each route names its roles and scope, and the table of all routes is read from them.

    @router.get("/people", dependencies=[allow(STAFF, scope="people:read")])

`GuardedRoute` finds this mark before a byte of the body is read. A route of its kind without one is not built.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fastapi.params import Depends

from gateway.problems import Problem
from gateway.security.caller import Caller
from shared.events.values import Role

PLATFORM: frozenset[Role] = frozenset({"platform_admin"})
ADMINS: frozenset[Role] = PLATFORM | {"school_admin"}
OFFICE: frozenset[Role] = ADMINS | {"staff"}
STAFF: frozenset[Role] = OFFICE | {"teacher"}
EVERYBODY: frozenset[Role] = STAFF | {"guardian", "student"}

SCOPES = (
    *("absences:read", "absences:write", "administrators:read", "audit:read"),
    *("behavior-reports:read", "behavior-reports:write", "classes:read", "classes:write", "devices:write"),
    *("failures:read", "failures:write", "files:read", "files:write", "grades:read", "grades:write"),
    *("imports:read", "imports:write"),
    *("keys:read", "log:read", "notifications:read", "notifications:write", "payments:read", "payments:write"),
    *("people:read", "people:write", "queues:read", "queues:write"),
    *("remarks:read", "remarks:write", "replays:write"),
    *("reports:read", "reports:write"),
    *("schedules:read", "schedules:write"),
    *("schools:read", "schools:write", "students:read", "students:write", "suppressions:read", "suppressions:write"),
    *("tasks:read", "tasks:write", "templates:read", "templates:write", "workers:read", "workers:write"),
)
"""The scopes of API keys. Keys are stored with these names: a renamed scope locks programs out."""

Audience = Literal["anyone", "person", "link"]
"""`person`: not a key, and not a token without a person. `link`: a public route whose address is a secret itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Access:
    """The access of a route. Without roles it is public; without a scope no API key may use it.

    Routes that make keys or accounts have none: a key must not make another.
    """

    roles: frozenset[Role] | None
    scope: str | None = None
    audience: Audience = "anyone"
    audited: bool = True
    """Whether a change is an act of administration; the task of a notification names its requester itself."""
    ticket: bool = False
    """Whether a ticket in the address is accepted: browsers open streams without a header."""

    def __post_init__(self) -> None:
        if self.scope is not None and self.scope not in SCOPES:
            raise LookupError(f"{self.scope} is not one of SCOPES")

    def check(self, caller: Caller) -> None:
        """Raise 403 unless role, audience and, for a key, its scopes cover the route."""
        if self.roles is None or caller.role not in self.roles:
            raise Problem(403, "forbidden")
        if caller.school is None and not caller.everywhere:
            raise Problem(403, "forbidden", "This role needs a token that is bound to a school.")
        if caller.key is not None:
            self._check_key(caller)
        if self.audience == "person" and caller.person is None:
            raise Problem(403, "forbidden", "This token does not belong to a person.")

    def _check_key(self, caller: Caller) -> None:
        if self.scope is None:
            raise Problem(403, "forbidden", "API keys are not accepted here.")
        if self.scope not in caller.scopes:
            raise Problem(403, "forbidden", f"This key lacks the scope {self.scope}.")

    async def __call__(self) -> None:
        """Refuse everything: only a route of another kind has its mark as a dependency, and nothing admits for it."""
        raise Problem(403, "forbidden")


def allow(
    roles: frozenset[Role],
    *,
    scope: str | None = None,
    audience: Audience = "anyone",
    audited: bool = True,
    ticket: bool = False,
) -> Depends:
    """Mark a route as open to these roles."""
    return Depends(Access(roles, scope, audience, audited, ticket))


def public() -> Depends:
    """Mark a route as open to callers without a token; they are limited by address."""
    return Depends(Access(None, audited=False))


def by_link() -> Depends:
    """Mark a route as open to those who have its address; they are limited by address, apart from sign-ins."""
    return Depends(Access(None, audience="link", audited=False))


def take_mark(path: str, dependencies: Sequence[Depends]) -> tuple[Access, list[Depends]]:
    """Return the mark of a route and its other dependencies; each route has exactly one mark."""
    marks = [each.dependency for each in dependencies if isinstance(each.dependency, Access)]
    if len(marks) != 1:
        raise TypeError(f"{path} must have one access mark: dependencies=[allow(…)]")
    return marks[0], [each for each in dependencies if each.dependency is not marks[0]]

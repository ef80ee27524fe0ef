"""The caller of a request: a person with a token, or a program with an API key."""

import math
import time
from dataclasses import dataclass
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, Request

from gateway.problems import Problem
from shared.events.values import Role

API_KEY_PREFIX = "sck_"
"""How an API key begins; any other bearer token is signed."""

OWN_STUDENTS: dict[Role, Literal["guardian", "self"]] = {"guardian": "guardian", "student": "self"}
"""Roles that see only their own children, or themselves, where a route is open to them."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller. `school` is None for the whole group (platform administrators only); `key` is set for an API key."""

    person: UUID | None
    role: Role
    school: UUID | None
    key: UUID | None = None
    scopes: frozenset[str] = frozenset()
    until: float = math.inf
    """When the token or the key ends, in seconds since the epoch."""
    session: UUID | None = None
    """The session of a signed-in person; None for a key and for a token that an operator signed."""
    signed_in: float | None = None
    """When the session began, in seconds since the epoch."""

    @property
    def name(self) -> str:
        """A stable name for idempotency keys and limits."""
        return f"key:{self.key}" if self.key else f"{self.role}:{self.person or '-'}"

    @property
    def everywhere(self) -> bool:
        """Whether the caller may act in any school."""
        return self.role == "platform_admin"


def student_scope(caller: Caller) -> dict[str, UUID]:
    """Return the condition on students that follows from a caller's role: `guardian` or `self`, or none."""
    narrowed = OWN_STUDENTS.get(caller.role)
    if narrowed is None:
        return {}
    if caller.person is None:
        raise Problem(403, "forbidden", "This token does not belong to a person.")
    return {narrowed: caller.person}


def require_fresh(caller: Caller, minutes: float) -> None:
    """Raise 403 when the session was opened longer ago: what gives lasting access needs a sign-in just now.

    A token that an operator signed has no session.
    """
    if caller.signed_in is not None and time.time() - caller.signed_in > 60 * minutes:
        raise Problem(403, "sign_in_again")


async def current_caller(request: Request) -> Caller:
    """The caller that admission has found; a public route has none."""
    caller: Caller = request.state.caller
    return caller


CurrentCaller = Annotated[Caller, Depends(current_caller)]

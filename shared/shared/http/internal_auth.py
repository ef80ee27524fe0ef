"""Authenticates requests of the gateway to other services, by a short-lived token with person, role and school."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header, HTTPException
from pydantic import ValidationError

from shared.http.provided import Provided
from shared.http.tokens import Claims, TokenRefused, Verifier
from shared.transactions.unit_of_work import UnitOfWorkFactory


class InternalCaller(Claims):
    """The claims of an internal token. Each request is about one school."""

    school: UUID


async def internal_caller(
    verifier: Annotated[Verifier, Depends(Provided(Verifier))], authorization: Annotated[str, Header()] = ""
) -> InternalCaller:
    """Return the claims of the caller; 401 without a valid internal token for a school."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise HTTPException(401, "an internal bearer token is required", {"WWW-Authenticate": "Bearer"})
    try:
        claims = verifier.verify(token, "internal")
        return InternalCaller(person=claims.person, role=claims.role, school=claims.school, use="internal")
    except (TokenRefused, ValidationError) as problem:
        raise HTTPException(401, str(problem), {"WWW-Authenticate": "Bearer"}) from problem


transactions = Provided(UnitOfWorkFactory)
"""The service's factory of units of work, for routes."""

"""Who asks an owner over HTTP: the gateway, for somebody, with a short-lived internal token; and how it says no.

What can change has a version, which is its ETag (RFC 9110): `"7"`. A decision sends it back as If-Match.
"""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header, HTTPException
from pydantic import ValidationError

from shared.http.provided import Provided
from shared.http.tokens import Claims, TokenRefused, Verifier
from shared.transactions.unit_of_work import Transactions


class Asked(Claims):
    """The claims of an internal token; requests are always about one school."""

    school: UUID


async def asked(
    verifier: Annotated[Verifier, Depends(Provided(Verifier))], authorization: Annotated[str, Header()] = ""
) -> Asked:
    """Claims of the caller; 401 without a valid internal token that names a school."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise HTTPException(401, "an internal bearer token is needed", {"WWW-Authenticate": "Bearer"})
    try:
        claims = verifier.verify(token, "internal")
        return Asked(person=claims.person, role=claims.role, school=claims.school, use="internal")
    except (TokenRefused, ValidationError) as problem:
        raise HTTPException(401, str(problem), {"WWW-Authenticate": "Bearer"}) from problem


transactions = Provided(Transactions)
"""The service's transactions, for routes."""

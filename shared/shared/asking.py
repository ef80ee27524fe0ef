"""Who asks an owner over HTTP: the gateway, for somebody, with a short-lived internal token."""

from typing import Annotated
from uuid import UUID

from fastapi import Header, HTTPException, Request

from shared.tokens import Claims, TokenRefused
from shared.transaction import Transactions


class Asked(Claims):
    """The claims of an internal token; requests are always about one school."""

    school: UUID


def asked(request: Request, authorization: Annotated[str, Header()] = "") -> Asked:
    """Claims of the caller; 401 without a valid internal token that names a school."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise HTTPException(401, "an internal bearer token is needed", {"WWW-Authenticate": "Bearer"})
    try:
        return Asked.verify(token, request.app.state.service.verify_key, "internal")
    except TokenRefused as problem:
        raise HTTPException(401, str(problem), {"WWW-Authenticate": "Bearer"}) from problem


def transactions(request: Request) -> Transactions:
    """The service's transactions."""
    found: Transactions = request.app.state.service.transactions
    return found

"""Checks If-Match against the version of a resource (RFC 9110, 13.1.1). The ETag of version 7 is `"7"`."""

from typing import Annotated, Any

from fastapi import Depends, Header, HTTPException


class DecisionRefused(HTTPException):
    """Refuses a decision. The gateway passes status, `code` (a problem code) and facts on to the client.

    `raise DecisionRefused(409, "too_late", "It has been sent.", state="completed")`
    """

    def __init__(self, status: int, code: str, message: str | None = None, **more: Any) -> None:
        super().__init__(status, {"code": code, "message": message, **more})
        self.code = code
        self.message = message
        self.more = more


def etag(version: int) -> str:
    """Return the ETag of a version."""
    return f'"{version}"'


NO_VERSION = -1
"""The version of an ETag that this system did not make; no resource has it."""


MOST_DIGITS = 18
"""A number with more digits is no version: it does not fit into a bigint of PostgreSQL."""


async def expected_version(if_match: Annotated[str | None, Header(max_length=100)] = None) -> int | None:
    """Return the version in If-Match; None if the header is missing or `*`.

    It refuses nothing: preconditions are checked last, after all other checks (RFC 9110, 13.2.1).
    """
    if if_match is None or if_match.strip() == "*":
        return None
    number = if_match.strip().removeprefix("W/").strip('"')
    if not number.isdecimal() or not number.isascii() or len(number) > MOST_DIGITS:
        return NO_VERSION
    return int(number)


async def required_version(
    if_match: Annotated[str | None, Header(max_length=100, json_schema_extra={"x-needed": True})] = None,
) -> int:
    """Return the version in If-Match; 428 if the header is missing."""
    version = await expected_version(if_match)
    if version is None:
        raise DecisionRefused(428, "precondition_needed")
    return version


def check_version(expected: int | None, version: int) -> None:
    """Refuse with 412 if the resource has changed since the caller read it."""
    if expected is not None and expected != version:
        raise DecisionRefused(412, "stale", version=version)


IfMatch = Annotated[int | None, Depends(expected_version)]


RequiredMatch = Annotated[int, Depends(required_version)]

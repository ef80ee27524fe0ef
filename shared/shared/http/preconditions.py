"""Checks If-Match against a version (RFC 9110, 13.1.1), and refuses decisions."""

from typing import Annotated, Any

from fastapi import Depends, Header, HTTPException


class Declined(HTTPException):
    """A decision that an owner does not take; the gateway hands status, `code` (one of its own) and facts on.

    `raise Declined(409, "too_late", "It has been sent.", state="completed")`
    """

    def __init__(self, status: int, code: str, message: str | None = None, **more: Any) -> None:
        super().__init__(status, {"code": code, "message": message, **more})
        self.code = code
        self.message = message
        self.more = more


def etag(version: int) -> str:
    """The ETag of a version."""
    return f'"{version}"'


NO_VERSION = -1
"""What nothing has: a tag that is none of ours names it."""


MOST_DIGITS = 18
"""More of them fit into no version, and into no bigint of PostgreSQL."""


async def expected_version(if_match: Annotated[str | None, Header(max_length=100)] = None) -> int | None:
    """The version that If-Match names; None when it is missing or `*`.

    Nothing is refused here: a precondition counts last, after the request has been found right (RFC 9110, 13.2.1).
    """
    if if_match is None or if_match.strip() == "*":
        return None
    number = if_match.strip().removeprefix("W/").strip('"')
    if not number.isdecimal() or not number.isascii() or len(number) > MOST_DIGITS:
        return NO_VERSION
    return int(number)


async def needed_version(
    if_match: Annotated[str | None, Header(max_length=100, json_schema_extra={"x-needed": True})] = None,
) -> int:
    """The version that If-Match names; 428 when it is missing."""
    version = await expected_version(if_match)
    if version is None:
        raise Declined(428, "precondition_needed")
    return version


def check_version(expected: int | None, version: int) -> None:
    """412 when it has changed since the caller read it."""
    if expected is not None and expected != version:
        raise Declined(412, "stale", version=version)


IfMatch = Annotated[int | None, Depends(expected_version)]


NeededMatch = Annotated[int, Depends(needed_version)]

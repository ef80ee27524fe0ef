"""Keyset cursors: where a page ended, not how many rows to skip. Opaque to callers, checked when they come back."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query

from gateway.problems import Problem

Limit = Annotated[int, Query(ge=1, le=200, description="rows on a page")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next` of the page before")]


def encode(last: str | int) -> str:
    """A cursor that goes on after `last`."""
    return base64.urlsafe_b64encode(json.dumps(last).encode()).decode().rstrip("=")


def _decode(cursor: str) -> Any:
    try:
        return json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error) as wrong:
        raise Problem("bad_cursor") from wrong


def after_id(cursor: str | None) -> UUID | None:
    """The id that the page before ended with; raises Problem(bad_cursor)."""
    if cursor is None:
        return None
    try:
        return UUID(_decode(cursor))
    except (ValueError, TypeError, AttributeError) as wrong:
        raise Problem("bad_cursor") from wrong


def after_number(cursor: str | None) -> int:
    """The number that the page before ended with, -1 for the first page; raises Problem(bad_cursor)."""
    if cursor is None:
        return -1
    number = _decode(cursor)
    if not isinstance(number, int) or isinstance(number, bool) or not -1 <= number < 2**31:
        raise Problem("bad_cursor")
    return number


def page(rows: Sequence[Any], limit: int, key: Callable[[Any], str | int]) -> tuple[Sequence[Any], str | None]:
    """`rows` was asked for with `limit + 1`: the page itself, and the cursor of the next one if there is more."""
    shown = rows[:limit]
    return shown, encode(key(shown[-1])) if len(rows) > limit else None

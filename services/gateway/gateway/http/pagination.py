"""Pages by key: the first and the ten-thousandth page cost the same, with any filters."""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any

from gateway.problems import Problem


def cursor(*key: Any) -> str:
    """Return a place in a list as text; its form is not part of the API."""
    return base64.urlsafe_b64encode(json.dumps(key, default=str).encode()).decode().rstrip("=")


def place(cursor: str | None, *kinds: type | Any) -> Sequence[Any] | None:
    """Return the key in a cursor, each part read by its kind; 422 for a text that is not a cursor."""
    if cursor is None:
        return None
    try:
        parts = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return [kind(part) for kind, part in zip(kinds, parts, strict=True)]
    except (ValueError, TypeError, AttributeError, binascii.Error):
        errors = [{"loc": ["query", "after"], "code": "cursor", "message": "is not a `next` of this list"}]
        raise Problem(422, "invalid", errors=errors) from None

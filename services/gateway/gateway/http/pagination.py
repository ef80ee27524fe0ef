"""Pages by key: the same cost on the first and on the ten-thousandth, whatever the filters."""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any

from gateway.problems import Problem


def cursor(*key: Any) -> str:
    """A place in a list, opaque to whoever hands it back."""
    return base64.urlsafe_b64encode(json.dumps(key, default=str).encode()).decode().rstrip("=")


def place(cursor: str | None, *kinds: type | Any) -> Sequence[Any] | None:
    """The key in a cursor, each part read by its kind; 422 for what is no cursor of ours."""
    if cursor is None:
        return None
    try:
        parts = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return [kind(part) for kind, part in zip(kinds, parts, strict=True)]
    except (ValueError, TypeError, AttributeError, binascii.Error):
        errors = [{"loc": ["query", "after"], "code": "cursor", "message": "is not a `next` of this list"}]
        raise Problem(422, "invalid", errors=errors) from None

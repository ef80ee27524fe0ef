"""The mark that replaces the sourcedId of an erased person."""

import hashlib


def erased_mark(sourced_id: str) -> str:
    """Return the mark that replaces the sourcedId of an erased person, because the id may identify them."""
    return f"erased:{hashlib.sha256(sourced_id.encode()).hexdigest()}"

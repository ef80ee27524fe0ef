"""The mark that replaces the sourcedId of an erased person."""

import hashlib


def erased_mark(sourced_id: str) -> str:
    """What stands for the sourcedId of somebody erased: it may say who they were."""
    return f"erased:{hashlib.sha256(sourced_id.encode()).hexdigest()}"

"""Keys of blobs: `files/<school>/<file>/original`. Names that people gave are never a part of one."""

import re
from uuid import UUID

SEGMENT = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}(?:\.[a-z0-9]{1,16})*")
MOST_SEGMENTS = 8


def blob_key(*parts: str | UUID) -> str:
    """Join words and ids to a key; raises ValueError for a part that is not plain lower-case ASCII."""
    return check_key("/".join(map(str, parts)))


def check_key(key: str) -> str:
    """Return the key; raises ValueError unless each segment is plain lower-case ASCII.

    So no key leaves its folder, and none means different blobs to a file system, a URL and a bucket.
    """
    segments = key.split("/")
    if len(segments) > MOST_SEGMENTS or not all(SEGMENT.fullmatch(segment) for segment in segments):
        raise ValueError(f"{key[:200]!r} is no key of a blob: use blob_key() with lower-case words and ids")
    return key


def check_prefix(prefix: str) -> str:
    """Return the prefix, which ends at a whole segment; empty for all blobs."""
    return check_key(prefix.removesuffix("/")) if prefix else ""

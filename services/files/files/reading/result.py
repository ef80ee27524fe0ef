"""What the child says about a file: one JSON object."""

from dataclasses import dataclass, field
from typing import Literal

from files.domain.finding import Finding
from files.reading.refusal import Code


@dataclass(frozen=True, slots=True)
class Reading:
    """The verdict on one file. `thumbnails` maps 256 and 1024 to names of files in the output folder.

    `text` holds the lines of each page, if the caller asked for them.
    """

    verdict: Literal["accepted", "refused"]
    reason: Code | None = None
    message: str = ""
    media_type: str | None = None
    pages: int = 0
    notices: tuple[str, ...] = ()
    finding: Finding | None = None
    thumbnails: dict[str, str] = field(default_factory=dict)
    text: tuple[tuple[str, ...], ...] = ()


def refused(code: Code, message: str) -> Reading:
    """The verdict on a file that was not read."""
    return Reading("refused", code, message)

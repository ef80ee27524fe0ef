"""Names files so that each system can keep them, and that no two are the same."""

import re
import unicodedata
from dataclasses import dataclass, field

ILLEGAL = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069]')
"""Illegal in Windows, or invisible: with a direction override a name could pretend another ending."""
RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])")
MAX_BYTES = 150
"""Bytes of a name without ending; most systems keep 255."""


@dataclass(slots=True)
class FileNames:
    """The names of one folder. Namesakes get a number, also where only letter case differs."""

    used: set[str] = field(default_factory=set)

    def free(self, title: str, ending: str) -> str:
        """Return a name that no other file of the folder has."""
        legal = _legal(title)
        name, number = legal, 2
        while name.casefold() in self.used:
            name, number = f"{legal} ({number})", number + 1
        self.used.add(name.casefold())
        return f"{name}.{ending}"


def _legal(title: str) -> str:
    name = ILLEGAL.sub(" ", unicodedata.normalize("NFC", title))
    name = " ".join(name.split()).encode()[:MAX_BYTES].decode(errors="ignore").strip(" .")
    if not name or RESERVED.fullmatch(name.partition(".")[0]):
        return f"_{name}"
    return name

"""Counts of a report from the rows of two periods: the one that is reported, and the one before it."""

import datetime as dt
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

from reports.domain.content import AbsenceRow, BehaviorRow, Count

GRAVITY = ("absent", "excused", "late")
"""A student with several records on one day counts once, as the first of these."""
PRAISE = "praise"

K = TypeVar("K", bound=Hashable)


def natural(name: str) -> tuple[list[str | int], str]:
    """Return the key of the order in which people count: "2b" comes before "10b"."""
    parts = re.split(r"(\d+)", name)
    return [int(part) if at % 2 else part for at, part in enumerate(parts)], name


def counted(now: Iterable[str], before: Iterable[str] | None = None) -> tuple[Count, ...]:
    """Count names, and the same of the period before; the most frequent first, then by name."""
    present = Counter(now)
    past = Counter(before) if before is not None else None
    names = sorted({*present, *(past or ())}, key=lambda name: (-present[name], natural(name)))
    return tuple(Count(name, present[name], None if past is None else past[name]) for name in names)


def incidents(rows: Iterable[BehaviorRow]) -> list[BehaviorRow]:
    """Return behaviour that is not praise."""
    return [row for row in rows if row.severity != PRAISE]


def absent_days(rows: Iterable[tuple[K, AbsenceRow]]) -> dict[tuple[K, dt.date], str]:
    """Return one status for each student and day; each row comes with the student that it is about."""
    found: dict[tuple[K, dt.date], str] = {}
    for student, row in rows:
        key = (student, row.day)
        if key not in found or GRAVITY.index(row.status) < GRAVITY.index(found[key]):
            found[key] = row.status
    return found


def by_day(days: Iterable[tuple[tuple[K, dt.date], str]]) -> tuple[tuple[dt.date, int], ...]:
    """Count the students who were not there on each day; who came late was there."""
    return tuple(sorted(Counter(day for (_, day), status in days if status != "late").items()))


def by_month(rows: Sequence[BehaviorRow]) -> tuple[tuple[dt.date, int, int], ...]:
    """Count praises and incidents of each month with any; months are named by their first day."""
    praises = Counter(row.happened_on.replace(day=1) for row in rows if row.severity == PRAISE)
    others = Counter(row.happened_on.replace(day=1) for row in incidents(rows))
    return tuple((month, praises[month], others[month]) for month in sorted({*praises, *others}))

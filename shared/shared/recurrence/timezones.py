"""Converts local times to instants in IANA timezones, and decides about times that a clock change skips or repeats."""

import datetime as dt
import difflib
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from shared.errors import RuleRefused

NEAR = dt.timedelta(hours=3)
"""No present timezone changes its clock by more than two hours (Antarctica/Troll)."""


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones())


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def zone_of(name: str) -> ZoneInfo:
    """Return the timezone of a name; raises RuleRefused, which suggests a similar name if there is one."""
    if name not in _names():
        close = difflib.get_close_matches(name, _names(), n=1, cutoff=0.7)
        hint = f"; did you mean {close[0]}?" if close else ", such as Europe/Berlin"
        raise RuleRefused("timezone", f"{name!r} is not a time zone of the IANA database{hint}")
    return _zone(name)


def instants(wall: dt.datetime, zone: ZoneInfo, *, real: bool = False) -> tuple[dt.datetime, ...]:
    """Return the instants (UTC) of a local time.

    A time that the change in spring skips is read with the offset before the change (RFC 5545 section 3.3.5: 02:30
    becomes 03:30). A time that autumn repeats counts once, the first time. With `real`, for rules that run every hour,
    a skipped time has no instant and a repeated time has two.
    """
    first = wall.replace(tzinfo=zone, fold=0).astimezone(dt.UTC)
    if not real:
        return (first,)
    if first.astimezone(zone).replace(tzinfo=None) != wall:
        return ()
    second = wall.replace(tzinfo=zone, fold=1).astimezone(dt.UTC)
    return (first,) if second == first else (first, second)


def changes_near(instant: dt.datetime, zone: ZoneInfo) -> bool:
    """Whether the clocks change within three hours of an instant."""
    return (instant - NEAR).astimezone(zone).utcoffset() != (instant + NEAR).astimezone(zone).utcoffset()

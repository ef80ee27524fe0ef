"""The rate of urgent sends: each school has its own, so that the mass of one never delays the alarm of another."""

from collections.abc import Mapping
from typing import Any

from psycopg.types.json import Jsonb

from notifier.permits import Haste, send_lane

CHANNELS = ("push", "mail")
URGENT_SENDS = 20
"""Urgent sends of a school within URGENT_SECONDS; more of them are sent like all others."""
URGENT_SECONDS = 10.0

# Count an urgent send of a school that something is `waiting` to be sent of; return how many there are within the
# present interval. A part of the statement that plans it. Safety has a rate apart, so that the other urgent sends of a
# school do not use it up.
COUNT_URGENT_SEND = """
    INSERT INTO urgent_rate AS u (school_id, safety, began, used)
    SELECT %(school_id)s, %(haste)s = 'safety', clock_timestamp(), 1
    WHERE %(haste)s <> 'bulk' AND EXISTS (SELECT FROM waiting)
    ON CONFLICT (school_id, safety) DO UPDATE SET
        used = CASE WHEN u.began < clock_timestamp() - make_interval(secs => %(seconds)s) THEN 1 ELSE u.used + 1 END,
        began = CASE WHEN u.began < clock_timestamp() - make_interval(secs => %(seconds)s) THEN clock_timestamp()
                     ELSE u.began END
    RETURNING used
"""


def values_of(notification: Mapping[str, Any]) -> dict[str, Any]:
    """Return what COUNT_URGENT_SEND takes besides the school, and the lanes within the rate and beyond it.

    A notification that is urgent or about safety goes before others.
    """
    haste: Haste = "safety" if notification["kind"] == "safety" else "urgent" if notification["urgent"] else "bulk"
    rate = {"haste": haste, "urgent_sends": URGENT_SENDS, "seconds": URGENT_SECONDS}
    return rate | {"lanes": _lanes(haste), "usual_lanes": _lanes("bulk")}


def _lanes(haste: Haste) -> Jsonb:
    return Jsonb({channel: send_lane(channel, haste) for channel in CHANNELS})

"""Who is told, on which channel, at which address: one transaction from the directory to the delivery rows."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from notifier.audience.sql import OF_THE_SCHOOL
from shared.transactions.unit_of_work import UnitOfWork

# A tombstone meets its intent here: the row is filled in and stays cancelled.
RECEIVE = """
INSERT INTO notification (notification_id, school_id, task_id, kind, state, urgent, audience, channels, title, body,
                          data, expires_at, directory_version, requested_by, requested_at, origin, origin_version,
                          correction, group_id, escalation, template, variables)
VALUES (%(notification_id)s, %(school_id)s, %(task_id)s, %(kind)s, 'waiting', %(urgent)s, %(audience)s, %(channels)s,
        %(title)s, %(body)s, %(data)s, %(expires_at)s, %(directory_version)s, %(requested_by)s, %(requested_at)s,
        %(origin)s, %(origin_version)s, %(correction)s, %(group_id)s, %(escalation)s, %(template)s, %(variables)s)
ON CONFLICT (notification_id) DO UPDATE SET task_id = excluded.task_id, kind = excluded.kind, urgent = excluded.urgent,
    audience = excluded.audience, channels = excluded.channels, title = excluded.title,
    expires_at = excluded.expires_at,
    requested_by = excluded.requested_by, requested_at = excluded.requested_at, origin = excluded.origin,
    origin_version = excluded.origin_version, group_id = excluded.group_id, tombstone = false
WHERE notification.tombstone AND notification.school_id = excluded.school_id
RETURNING state
"""

# A waiting notification whose school's directory has been applied up to the version that it was asked at.
CLAIM = """
UPDATE notification n SET state = 'sending', told_at = clock_timestamp()
WHERE n.notification_id = %(notification_id)s AND n.state = 'waiting'
  AND (n.directory_version = 0 OR EXISTS (
      SELECT FROM directory_seen s WHERE s.school_id = n.school_id
        AND s.versions @> int8range(1, n.directory_version, '[]')))
RETURNING n.*
"""

UNCLAIM = "UPDATE notification SET state = 'waiting', told_at = NULL WHERE notification_id = %(notification_id)s"

READY = """
SELECT n.notification_id FROM notification n LEFT JOIN directory_seen s USING (school_id)
WHERE n.state = 'waiting' AND (n.directory_version = 0 OR s.versions @> int8range(1, n.directory_version, '[]'))
  AND (%(schools)s::uuid[] IS NULL OR n.school_id = ANY(%(schools)s))
LIMIT 500
"""

GAVE_UP = """
UPDATE notification n SET state = 'failed', completed_at = clock_timestamp(),
    error = format('the directory of this school was not complete after %%s s: version %%s was asked for, %%s are here',
                   %(seconds)s::int, n.directory_version,
                   coalesce((SELECT s.versions::text FROM directory_seen s WHERE s.school_id = n.school_id), 'none'))
WHERE n.state = 'waiting' AND n.directory_version > 0 AND NOT EXISTS (
      SELECT FROM directory_seen s WHERE s.school_id = n.school_id
        AND s.versions @> int8range(1, n.directory_version, '[]'))
  AND n.received_at < clock_timestamp() - make_interval(secs => %(seconds)s)
RETURNING n.notification_id, n.school_id, n.task_id, n.error
"""

AUDIENCE = f"""
WITH pupil AS (
    SELECT s.student_id FROM student s
    WHERE s.school_id = %(school_id)s
      AND (s.student_id = ANY(%(students)s::uuid[])
           OR (s.active AND (s.grade = %(grade)s OR s.classes && %(classes)s::uuid[])))
), answering AS (
    SELECT g.student_id, g.guardian_id,
           row_number() OVER (PARTITION BY g.student_id ORDER BY g.rank, g.guardian_id) AS nth
    FROM pupil JOIN guardianship g ON g.school_id = %(school_id)s AND g.student_id = pupil.student_id
    WHERE 'guardian' = ANY(%(roles)s) AND {OF_THE_SCHOOL}
), audience AS (
    (SELECT m.person_id FROM membership m
     WHERE m.school_id = %(school_id)s AND m.person_id = ANY(%(people)s::uuid[])
     UNION
     SELECT m.person_id FROM membership m
     WHERE %(whole_school)s AND m.school_id = %(school_id)s AND m.role = ANY(%(roles)s)
       AND (m.starts IS NULL OR m.starts <= (SELECT school_today(%(school_id)s)))
       AND (m.ends IS NULL OR m.ends > (SELECT school_today(%(school_id)s)))
     UNION
     SELECT a.guardian_id FROM answering a WHERE a.nth = 1 OR NOT %(first_guardian)s
     UNION
     SELECT student_id FROM pupil WHERE 'student' = ANY(%(roles)s)
     UNION
     SELECT t.person_id FROM told(%(school_id)s, %(told)s, %(origin_version)s) t)
    EXCEPT
    SELECT t.person_id FROM told(%(school_id)s, %(except_told)s, %(origin_version)s) t
)
"""  # noqa: S608  # constants of our own

# Audience → people by channels → addresses, each with the reason why it will not be sent where it will not, and with
# the moment until which quiet hours hold it.
JUDGED = """, who AS (
    SELECT a.person_id, coalesce(p.active, false) AS active, coalesce(p.language, s.language, 'en') AS language,
           CASE WHEN NOT %(passes)s AND (p.quiet_starts IS NOT NULL OR s.quiet_starts IS NOT NULL) THEN quiet_until(
               statement_timestamp(), coalesce(p.timezone, s.timezone), coalesce(p.quiet_starts, s.quiet_starts),
               coalesce(p.quiet_ends, s.quiet_ends), s.digest_at) END AS quiet_until
    FROM audience a LEFT JOIN person p USING (person_id) LEFT JOIN school s ON s.school_id = %(school_id)s
), target AS (
    SELECT w.*, c.channel, %(kind)s = 'safety' OR coalesce(f.wanted, true) AS wanted,
           c.channel = 'mail' AND %(kind)s <> 'safety' AND EXISTS (
               SELECT FROM suppression u WHERE u.school_id = %(school_id)s AND u.channel = 'mail' AND u.active
                 AND u.target = w.person_id::text AND u.kind IN (%(kind)s, '')) AS unsubscribed
    FROM who w CROSS JOIN unnest(%(channels)s::text[]) AS c(channel)
    LEFT JOIN preference f ON f.person_id = w.person_id AND f.kind = %(kind)s AND f.channel = c.channel
), reached AS (
    SELECT t.*, coalesce(d.token, m.address, '') AS address,
           t.channel <> 'inbox' AND d.token IS NULL AND m.address IS NULL AS unreachable,
           (SELECT u.reason FROM suppression u
             WHERE u.school_id = %(school_id)s AND u.channel = t.channel AND u.target = lower(m.address) AND u.active
               AND (u.reason = 'bounced' OR %(kind)s <> 'safety') ORDER BY u.reason LIMIT 1) AS refused
    FROM target t
    LEFT JOIN device d ON t.channel = 'push' AND d.person_id = t.person_id
    LEFT JOIN contact m ON t.channel = 'mail' AND m.person_id = t.person_id AND m.kind = 'mail'
), ranked AS (
    SELECT r.*, row_number() OVER (PARTITION BY r.channel, lower(r.address)
                                   ORDER BY NOT (r.active AND r.wanted) OR r.unsubscribed, r.person_id) AS nth
    FROM reached r
), judged AS (
    SELECT r.*, CASE
        WHEN NOT r.active THEN 'inactive'
        WHEN NOT r.wanted THEN 'opted_out'
        WHEN r.unsubscribed THEN 'unsubscribed'
        WHEN r.unreachable THEN 'no_address'
        WHEN r.refused IS NOT NULL THEN r.refused
        WHEN r.channel = 'mail' AND r.nth > 1 THEN 'same_address'
    END AS reason
    FROM ranked r
)
"""

# Several schools of a group may plan the same address at the same moment: who writes its row first tells it, the
# others wait for that commit. In one order, so that nobody waits in a circle.
WRITE = """, claimed AS (
    INSERT INTO group_address (group_id, channel, address, notification_id, school_id)
    SELECT DISTINCT %(group_id)s::uuid, j.channel, coalesce(nullif(lower(j.address), ''), j.person_id::text),
           %(notification_id)s::uuid, %(school_id)s::uuid
    FROM meant j WHERE %(group_id)s::uuid IS NOT NULL AND j.reason IS NULL ORDER BY 2, 3
    ON CONFLICT DO NOTHING
    RETURNING channel, address
), settled AS (
    SELECT j.*, CASE
        WHEN j.reason IS NOT NULL THEN j.reason
        WHEN %(group_id)s::uuid IS NOT NULL AND NOT EXISTS (
            SELECT FROM claimed c WHERE c.channel = j.channel
              AND c.address = coalesce(nullif(lower(j.address), ''), j.person_id::text)) THEN 'same_address'
    END AS why
    FROM meant j
), planned AS (
    INSERT INTO delivery (notification_id, school_id, person_id, channel, address, round, state, reason, due_at)
    SELECT %(notification_id)s, %(school_id)s, j.person_id, j.channel, j.address, %(round)s,
           CASE WHEN j.why IS NOT NULL THEN 'suppressed'
                WHEN %(expires_at)s::timestamptz <= clock_timestamp() THEN 'expired'
                WHEN j.channel = 'inbox' THEN 'accepted'
                WHEN j.quiet_until IS NOT NULL THEN 'held' ELSE 'pending' END,
           CASE WHEN j.why IS NULL AND %(expires_at)s::timestamptz <= clock_timestamp() THEN 'expired'
                WHEN j.why IS NULL AND j.channel <> 'inbox' AND j.quiet_until IS NOT NULL THEN 'quiet_hours'
                ELSE j.why END,
           CASE WHEN j.channel <> 'inbox' AND j.quiet_until IS NOT NULL THEN j.quiet_until
                ELSE clock_timestamp() END
    FROM settled j ORDER BY j.channel, j.person_id, j.address
    ON CONFLICT ON CONSTRAINT uq_delivery DO NOTHING
    RETURNING person_id, channel, state
), told AS (
    INSERT INTO inbox_item (notification_id, person_id, school_id)
    SELECT %(notification_id)s, person_id, %(school_id)s FROM planned WHERE channel = 'inbox' AND state = 'accepted'
    ON CONFLICT DO NOTHING
)
SELECT channel, state, count(*) AS n FROM planned GROUP BY channel, state
"""
PLAN = AUDIENCE + JUDGED + ", meant AS (SELECT * FROM judged)" + WRITE  # noqa: S608  # constants of our own

# Whom a round failed to reach on a channel, and no round has reached: told at the addresses they have now.
FAILED = """
WITH failed AS (
    SELECT person_id, channel FROM delivery
    WHERE notification_id = %(notification_id)s AND channel <> 'inbox'
    GROUP BY person_id, channel
    HAVING bool_or(state = ANY(%(states)s))
       AND NOT bool_or(state IN ('accepted', 'read') OR state = 'unknown' AND state <> ALL(%(states)s))
), audience AS (SELECT DISTINCT person_id FROM failed)
"""
RESEND = FAILED + JUDGED + ", meant AS (SELECT * FROM judged JOIN failed USING (person_id, channel))" + WRITE  # noqa: S608  # constants of our own

# The same without a row being written: what would be planned, by channel, language and reason.
PREVIEW = (
    AUDIENCE
    + JUDGED
    + """
SELECT channel, language, reason, reason IS NULL AND channel <> 'inbox' AND quiet_until IS NOT NULL AS held,
       count(*) AS deliveries, count(DISTINCT person_id) AS people
FROM judged GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
)
MEANT = AUDIENCE + "SELECT count(*) AS n FROM audience"  # noqa: S608  # constants of our own
UNREACHABLE = (
    AUDIENCE
    + JUDGED
    + """
SELECT person_id, array_agg(DISTINCT channel || ': ' || reason ORDER BY channel || ': ' || reason) AS reasons,
       count(*) OVER () AS total
FROM judged GROUP BY person_id HAVING bool_and(reason IS NOT NULL) ORDER BY person_id LIMIT %(limit)s
"""
)

# What was just planned is taken back: there are no words for it. Other schools of a group tell whom it had taken.
REFUSE = """
WITH forgotten AS (
    DELETE FROM inbox_item WHERE notification_id = %(notification_id)s
), taken_back AS (
    DELETE FROM delivery WHERE notification_id = %(notification_id)s
), left_to_others AS (
    DELETE FROM group_address g USING notification n
    WHERE n.notification_id = %(notification_id)s AND g.group_id = n.group_id AND g.notification_id = n.notification_id
)
UPDATE notification SET state = 'failed', completed_at = clock_timestamp(), error = %(error)s
WHERE notification_id = %(notification_id)s
"""

RELEASE = """
INSERT INTO release (notification_id, channel, lane, permitted_until)
VALUES (%(notification_id)s, %(channel)s, %(lane)s, clock_timestamp() + make_interval(secs => %(seconds)s))
ON CONFLICT (notification_id, channel) DO UPDATE SET permitted_until = excluded.permitted_until
"""

PLANNED = """
UPDATE notification SET planned = planned + %(planned)s, round_planned = %(planned)s, outstanding = %(outstanding)s
WHERE notification_id = %(notification_id)s
"""


async def deliveries(tx: UnitOfWork, notification: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Write one delivery per person, channel and address; returns counts as {channel, state, n}."""
    return await tx.rows(PLAN, parameters(notification))


async def preview(
    tx: UnitOfWork, notification: Mapping[str, Any], limit: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], int]:
    """What would be planned; the first `limit` people whom nothing would reach, with their `total`; how many are meant.

    Counts are rows of channel, language, reason, held, deliveries, people.
    """
    values = parameters(notification) | {"limit": limit}
    meant = await tx.rows(MEANT, values)
    return await tx.rows(PREVIEW, values), await tx.rows(UNREACHABLE, values), int(meant[0]["n"])


def parameters(notification: Mapping[str, Any]) -> dict[str, Any]:
    """Values of the statements above from a notification's row."""
    audience = notification["audience"]
    return {
        "notification_id": notification["notification_id"],
        "school_id": notification["school_id"],
        "kind": notification["kind"],
        "passes": notification["urgent"] or notification["kind"] == "safety",
        "expires_at": notification["expires_at"],
        "group_id": notification["group_id"],
        "round": notification["round"],
        "channels": notification["channels"],
        "people": [UUID(person) for person in audience.get("people") or ()],
        "whole_school": bool(audience.get("school")),
        "grade": audience.get("grade"),
        "roles": list(audience.get("roles") or ()),
        "classes": [UUID(each) for each in audience.get("classes") or ()],
        "students": [UUID(each) for each in audience.get("students") or ()],
        "responsibility": audience.get("responsibility") or "any",
        "first_guardian": "next_guardian" in ((notification["escalation"] or {}).get("steps") or ()),
        "told": audience.get("told"),
        "except_told": audience.get("except_told"),
        "origin_version": notification["origin_version"],
    }

"""Who is told, on which channel, at which address: one transaction from the directory to the delivery rows."""

from typing import Any
from uuid import UUID

from shared.transaction import Transaction

RECEIVE = """
INSERT INTO notification (notification_id, school_id, task_id, kind, state, urgent, audience, channels, title, body,
                          data, expires_at, directory_version, requested_by, requested_at, origin, origin_version,
                          correction, group_id, escalation, template, variables)
VALUES (%(notification_id)s, %(school_id)s, %(task_id)s, %(kind)s, 'waiting', %(urgent)s, %(audience)s, %(channels)s,
        %(title)s, %(body)s, %(data)s, %(expires_at)s, %(directory_version)s, %(requested_by)s, %(requested_at)s,
        %(origin)s, %(origin_version)s, %(correction)s, %(group_id)s, %(escalation)s, %(template)s, %(variables)s)
ON CONFLICT (notification_id) DO NOTHING
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

READY = """
SELECT n.notification_id FROM notification n JOIN directory_seen s USING (school_id)
WHERE n.state = 'waiting' AND s.versions @> int8range(1, greatest(n.directory_version, 1), '[]')
  AND (%(schools)s::uuid[] IS NULL OR n.school_id = ANY(%(schools)s))
LIMIT 500
"""

GAVE_UP = """
UPDATE notification n SET state = 'failed', completed_at = clock_timestamp(),
    error = format('the directory of this school was not complete after %%s s: version %%s was asked for, %%s are here',
                   %(seconds)s::int, n.directory_version,
                   coalesce((SELECT s.versions::text FROM directory_seen s WHERE s.school_id = n.school_id), 'none'))
WHERE n.state = 'waiting' AND n.received_at < clock_timestamp() - make_interval(secs => %(seconds)s)
RETURNING n.notification_id, n.school_id, n.task_id, n.error
"""

# Audience → people by channels → addresses, each with the reason why it will not be sent where it will not.
PLAN = """
WITH pupil AS (
    SELECT s.student_id FROM student s
    WHERE s.school_id = %(school_id)s
      AND (s.student_id = ANY(%(students)s::uuid[])
           OR (s.active AND (s.grade = %(grade)s OR s.classes && %(classes)s::uuid[])))
), answering AS (
    SELECT g.student_id, g.guardian_id,
           row_number() OVER (PARTITION BY g.student_id ORDER BY g.rank, g.guardian_id) AS nth
    FROM pupil JOIN guardianship g ON g.school_id = %(school_id)s AND g.student_id = pupil.student_id
    WHERE 'guardian' = ANY(%(roles)s)
      AND CASE %(responsibility)s WHEN 'custody' THEN g.custody WHEN 'billing' THEN g.billing
               WHEN 'emergency' THEN g.emergency WHEN 'care' THEN g.custody OR g.emergency ELSE true END
), audience AS (
    (SELECT m.person_id FROM membership m
     WHERE m.school_id = %(school_id)s AND m.person_id = ANY(%(people)s::uuid[])
     UNION
     SELECT m.person_id FROM membership m
     WHERE %(whole_school)s AND m.school_id = %(school_id)s AND m.role = ANY(%(roles)s)
       AND (m.starts IS NULL OR m.starts <= current_date) AND (m.ends IS NULL OR m.ends > current_date)
     UNION
     SELECT a.guardian_id FROM answering a WHERE a.nth = 1 OR NOT %(first_guardian)s
     UNION
     SELECT student_id FROM pupil WHERE 'student' = ANY(%(roles)s)
     UNION
     SELECT t.person_id FROM told(%(school_id)s, %(told)s, %(origin_version)s) t)
    EXCEPT
    SELECT t.person_id FROM told(%(school_id)s, %(except_told)s, %(origin_version)s) t
), target AS (
    SELECT a.person_id, c.channel, coalesce(p.active, false) AS active, coalesce(f.wanted, true) AS wanted
    FROM audience a CROSS JOIN unnest(%(channels)s::text[]) AS c(channel)
    LEFT JOIN person p USING (person_id)
    LEFT JOIN preference f ON f.person_id = a.person_id AND f.kind = %(kind)s AND f.channel = c.channel
), reached AS (
    SELECT t.*, coalesce(d.token, m.address, '') AS address,
           t.channel <> 'inbox' AND d.token IS NULL AND m.address IS NULL AS unreachable
    FROM target t
    LEFT JOIN device d ON t.channel = 'push' AND d.person_id = t.person_id
    LEFT JOIN contact m ON t.channel = 'mail' AND m.person_id = t.person_id AND m.kind = 'mail'
), ranked AS (
    SELECT r.*, row_number() OVER (PARTITION BY r.channel, lower(r.address)
                                   ORDER BY NOT (r.active AND r.wanted), r.person_id) AS nth
    FROM reached r
), judged AS (
    SELECT r.*, CASE
        WHEN NOT r.active THEN 'inactive'
        WHEN NOT r.wanted THEN 'opted_out'
        WHEN r.unreachable THEN 'no_address'
        WHEN r.channel = 'mail' AND r.nth > 1 THEN 'same_address'
    END AS reason
    FROM ranked r
), planned AS (
    INSERT INTO delivery (notification_id, school_id, person_id, channel, address, state, reason)
    SELECT %(notification_id)s, %(school_id)s, j.person_id, j.channel, j.address,
           CASE WHEN j.reason IS NOT NULL THEN 'suppressed' WHEN j.channel = 'inbox' THEN 'accepted'
                ELSE 'pending' END, j.reason
    FROM judged j ORDER BY j.channel, j.person_id, j.address
    ON CONFLICT ON CONSTRAINT uq_delivery DO NOTHING
    RETURNING person_id, channel, state
), told AS (
    INSERT INTO inbox_item (notification_id, person_id, school_id)
    SELECT %(notification_id)s, person_id, %(school_id)s FROM planned WHERE channel = 'inbox' AND state = 'accepted'
    ON CONFLICT DO NOTHING
)
SELECT channel, state, count(*) AS n FROM planned GROUP BY channel, state
"""

# What was just planned is taken back: there are no words for it.
REFUSE = """
WITH forgotten AS (
    DELETE FROM inbox_item WHERE notification_id = %(notification_id)s
), taken_back AS (
    DELETE FROM delivery WHERE notification_id = %(notification_id)s
)
UPDATE notification SET state = 'failed', completed_at = clock_timestamp(), error = %(error)s
WHERE notification_id = %(notification_id)s
"""

RELEASE = """
INSERT INTO release (notification_id, channel, lane, permitted_until)
VALUES (%(notification_id)s, %(channel)s, %(lane)s, clock_timestamp() + make_interval(secs => %(seconds)s))
"""

PLANNED = """
UPDATE notification SET planned = %(planned)s, outstanding = %(outstanding)s WHERE notification_id = %(notification_id)s
"""


async def deliveries(tx: Transaction, notification: dict[str, Any]) -> list[dict[str, Any]]:
    """Write one delivery per person, channel and address; returns counts as {channel, state, n}."""
    audience = notification["audience"]
    return await tx.rows(
        PLAN,
        {
            "notification_id": notification["notification_id"],
            "school_id": notification["school_id"],
            "kind": notification["kind"],
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
        },
    )

"""Statements of planning: a notification from its intent to delivery rows, in one transaction."""

from notifier.audience import sql as audience
from notifier.sending.urgent_rate import COUNT_URGENT_SEND

# Whether a school's directory is complete up to the version that its notification n was asked at.
DIRECTORY_COMPLETE = """(n.directory_version = 0 OR EXISTS (
      SELECT FROM directory_seen s WHERE s.school_id = n.school_id
        AND s.versions @> int8range(1, n.directory_version, '[]')))"""

# A notification's row, and whether its school is active; one that the directory does not know is.
TO_PLAN = "n.*, coalesce((SELECT s.active FROM school s WHERE s.school_id = n.school_id), true) AS school_active"

# Keep an intent; a repeat changes nothing. A tombstone, left by a cancel that came first, is filled in and stays
# cancelled. With `starts` its planning starts in the same statement, as CLAIM_WAITING does it.
INSERT_NOTIFICATION = f"""
INSERT INTO notification AS n (
    notification_id, school_id, task_id, kind, state, urgent, audience, channels, title, body, data, expires_at,
    directory_version, requested_by, requested_at, origin, origin_version, correction, group_id, escalation, template,
    variables, told_at)
SELECT %(notification_id)s, n.school_id, %(task_id)s, %(kind)s, CASE WHEN c.starts THEN 'sending' ELSE 'waiting' END,
       %(urgent)s, %(audience)s, %(channels)s, %(title)s, %(body)s, %(data)s, %(expires_at)s, n.directory_version,
       %(requested_by)s, %(requested_at)s, %(origin)s, %(origin_version)s, %(correction)s, %(group_id)s,
       %(escalation)s, %(template)s, %(variables)s, CASE WHEN c.starts THEN clock_timestamp() END
FROM (SELECT %(school_id)s::uuid AS school_id, %(directory_version)s::bigint AS directory_version) n
CROSS JOIN LATERAL (SELECT %(starts)s AND {DIRECTORY_COMPLETE} AS starts) c
ON CONFLICT (notification_id) DO UPDATE SET task_id = excluded.task_id, kind = excluded.kind, urgent = excluded.urgent,
    audience = excluded.audience, channels = excluded.channels, title = excluded.title,
    expires_at = excluded.expires_at,
    requested_by = excluded.requested_by, requested_at = excluded.requested_at, origin = excluded.origin,
    origin_version = excluded.origin_version, group_id = excluded.group_id, tombstone = false
WHERE n.tombstone AND n.school_id = excluded.school_id
RETURNING {TO_PLAN}
"""  # noqa: S608  # constants of our own

# Start planning a waiting notification whose school's directory is complete up to the version that it was asked at.
CLAIM_WAITING = f"""
UPDATE notification n SET state = 'sending', told_at = clock_timestamp()
WHERE n.notification_id = %(notification_id)s AND n.state = 'waiting' AND {DIRECTORY_COMPLETE}
RETURNING {TO_PLAN}
"""  # noqa: S608  # constants of our own

# Let a notification wait again: an older version of its record is still being sent.
RETURN_TO_WAITING = """
UPDATE notification SET state = 'waiting', told_at = NULL WHERE notification_id = %(notification_id)s
"""

# Find waiting notifications whose directory is complete by now.
SELECT_READY = """
SELECT n.notification_id, n.kind FROM notification n LEFT JOIN directory_seen s USING (school_id)
WHERE n.state = 'waiting' AND (n.directory_version = 0 OR s.versions @> int8range(1, n.directory_version, '[]'))
  AND (%(schools)s::uuid[] IS NULL OR n.school_id = ANY(%(schools)s))
ORDER BY n.kind = 'safety' DESC LIMIT 500
"""

# Fail notifications that have waited too long for the directory, naming the gap.
FAIL_OVERDUE = """
UPDATE notification n SET state = 'failed', completed_at = clock_timestamp(),
    error = format('the directory of this school was not complete after %%s s: version %%s was asked for, %%s are here',
                   %(seconds)s::int, n.directory_version,
                   coalesce((SELECT s.versions::text FROM directory_seen s WHERE s.school_id = n.school_id), 'none'))
WHERE n.state = 'waiting' AND n.directory_version > 0 AND NOT EXISTS (
      SELECT FROM directory_seen s WHERE s.school_id = n.school_id
        AND s.versions @> int8range(1, n.directory_version, '[]'))
  AND n.received_at < statement_timestamp() - make_interval(secs => %(seconds)s)
RETURNING n.notification_id, n.school_id, n.task_id, n.error
"""

# Fail a notification that cannot be planned; no row where it is planned, or has ended.
FAIL_WAITING = """
UPDATE notification SET state = 'failed', completed_at = clock_timestamp(), error = %(error)s
WHERE notification_id = %(notification_id)s AND state = 'waiting'
RETURNING notification_id, school_id, task_id
"""

# Find the recipients: people → channels → addresses, each with the reason why it is not sent to, if there is one, and
# with the moment until which quiet hours hold it.
FIND_RECIPIENTS = """, recipient AS (
    SELECT a.person_id, coalesce(p.active, false) AS active, coalesce(p.language, s.language, 'en') AS language,
           CASE WHEN NOT %(passes)s AND (p.quiet_starts IS NOT NULL OR s.quiet_starts IS NOT NULL) THEN quiet_until(
               statement_timestamp(), coalesce(p.timezone, s.timezone), coalesce(p.quiet_starts, s.quiet_starts),
               coalesce(p.quiet_ends, s.quiet_ends), s.digest_at) END AS quiet_until,
           coalesce(p.timezone, s.timezone) AS zone
    FROM audience a LEFT JOIN person p USING (person_id) LEFT JOIN school s ON s.school_id = %(school_id)s
), target AS (
    SELECT w.*, c.channel, %(kind)s = 'safety' OR coalesce(f.wanted, true) AS wanted,
           c.channel = 'mail' AND %(kind)s <> 'safety' AND EXISTS (
               SELECT FROM suppression u WHERE u.school_id = %(school_id)s AND u.channel = 'mail' AND u.active
                 AND u.target = w.person_id::text AND u.kind IN (%(kind)s, '')) AS unsubscribed
    FROM recipient w CROSS JOIN unnest(%(channels)s::text[]) AS c(channel)
    LEFT JOIN preference f ON f.person_id = w.person_id AND f.kind = %(kind)s AND f.channel = c.channel
), addressed AS (
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
    FROM addressed r
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

# Write the deliveries of the chosen recipients. Several schools of a group may plan the same address at the same time:
# the first to write its row sends to it, the others wait for that commit. They all write in one order, so that there
# is no deadlock.
WRITE_CHOSEN = """, claimed AS (
    INSERT INTO group_address (group_id, channel, address, notification_id, school_id)
    SELECT DISTINCT %(group_id)s::uuid, j.channel, coalesce(nullif(lower(j.address), ''), j.person_id::text),
           %(notification_id)s::uuid, %(school_id)s::uuid
    FROM chosen j WHERE %(group_id)s::uuid IS NOT NULL AND j.reason IS NULL ORDER BY 2, 3
    ON CONFLICT DO NOTHING
    RETURNING channel, address
), decided AS (
    SELECT j.*, CASE
        WHEN j.reason IS NOT NULL THEN j.reason
        WHEN %(group_id)s::uuid IS NOT NULL AND NOT EXISTS (
            SELECT FROM claimed c WHERE c.channel = j.channel
              AND c.address = coalesce(nullif(lower(j.address), ''), j.person_id::text)) THEN 'same_address'
    END AS stop
    FROM chosen j
), planned AS (
    INSERT INTO delivery (notification_id, school_id, person_id, channel, address, round, state, reason, due_at,
                          held_zone)
    SELECT %(notification_id)s, %(school_id)s, j.person_id, j.channel, j.address, %(round)s,
           CASE WHEN j.stop IS NOT NULL THEN 'suppressed'
                WHEN %(expires_at)s::timestamptz <= clock_timestamp() THEN 'expired'
                WHEN j.channel = 'inbox' THEN 'accepted'
                WHEN j.quiet_until IS NOT NULL THEN 'held' ELSE 'pending' END,
           CASE WHEN j.stop IS NULL AND %(expires_at)s::timestamptz <= clock_timestamp() THEN 'expired'
                WHEN j.stop IS NULL AND j.channel <> 'inbox' AND j.quiet_until IS NOT NULL THEN 'quiet_hours'
                ELSE j.stop END,
           CASE WHEN j.channel <> 'inbox' AND j.quiet_until IS NOT NULL THEN j.quiet_until
                ELSE clock_timestamp() END,
           CASE WHEN j.channel <> 'inbox' AND j.quiet_until IS NOT NULL THEN j.zone END
    FROM decided j ORDER BY j.channel, j.person_id, j.address
    ON CONFLICT ON CONSTRAINT uq_delivery DO NOTHING
    RETURNING person_id, channel, state
), added AS (
    INSERT INTO inbox_item (notification_id, person_id, school_id)
    SELECT %(notification_id)s, person_id, %(school_id)s FROM planned WHERE channel = 'inbox' AND state = 'accepted'
    ON CONFLICT DO NOTHING
)
"""

# Keep the counts of a round that was just planned, and open its window on each channel, or open it again: in the lanes
# of its haste while that is within its school's rate, else in those of all others.
START_ROUND = f""", counted AS (
    SELECT channel, state, count(*)::int AS n,
           array_agg(person_id ORDER BY person_id) FILTER (WHERE channel = 'inbox') AS people
    FROM planned GROUP BY channel, state
), waiting AS (
    SELECT channel, sum(n)::int AS n, bool_or(state = 'pending') AS due
    FROM counted WHERE state IN ('pending', 'held') GROUP BY channel
), rated AS ({COUNT_URGENT_SEND}), started AS (
    UPDATE notification n SET planned = n.planned + c.planned, round_planned = c.planned, outstanding = c.outstanding
    FROM (SELECT coalesce((SELECT sum(n) FROM counted), 0)::int AS planned,
                 coalesce((SELECT sum(n) FROM waiting), 0)::int AS outstanding) c
    WHERE n.notification_id = %(notification_id)s
), opened AS (
    INSERT INTO release (notification_id, channel, lane, permitted_until)
    SELECT %(notification_id)s, channel,
        (CASE WHEN (SELECT used FROM rated) <= %(urgent_sends)s THEN %(lanes)s ELSE %(usual_lanes)s END)::jsonb
            ->> channel,
        clock_timestamp() + CASE WHEN due THEN make_interval(secs => %(waiting_seconds)s) ELSE '0' END
    FROM waiting ORDER BY channel
    ON CONFLICT (notification_id, channel) DO UPDATE SET permitted_until = excluded.permitted_until,
        lane = excluded.lane
    RETURNING channel, lane
)
SELECT counted.*, opened.lane FROM counted LEFT JOIN opened USING (channel)
"""  # noqa: S608  # constants of our own

# Write the first round of deliveries.
ALL_RECIPIENTS = ", chosen AS (SELECT * FROM judged)"
INSERT_DELIVERIES = audience.WITH_AUDIENCE + FIND_RECIPIENTS + ALL_RECIPIENTS + WRITE_CHOSEN + START_ROUND

# The same for a few people who have been found already. PostgreSQL keeps its plan, because the limit is not known to
# it; to make the plan of INSERT_DELIVERIES takes longer than to write the deliveries of one person.
WITH_FOUND = """
WITH audience AS (
    SELECT person_id FROM unnest((SELECT %(found)s::uuid[])) AS found(person_id) LIMIT %(most)s
)
"""
INSERT_FEW = WITH_FOUND + FIND_RECIPIENTS + ALL_RECIPIENTS + WRITE_CHOSEN + START_ROUND

# Write deliveries to addresses that a person no longer has. The addresses stay with the deliveries only, from where an
# erasure removes them.
WRITE_FORMER = """
WITH planned AS (
    INSERT INTO delivery (notification_id, school_id, person_id, channel, address, round, state)
    SELECT %(notification_id)s, %(school_id)s, %(person)s, 'mail', address, %(round)s, 'pending'
    FROM unnest(%(addresses)s::text[]) AS address ORDER BY address
    ON CONFLICT ON CONSTRAINT uq_delivery DO NOTHING
    RETURNING person_id, channel, state
)
"""
INSERT_FORMER = WRITE_FORMER + START_ROUND

# Remove the removed addresses from their notification: its deliveries have them.
EMPTY_VARIABLES = "UPDATE notification SET variables = '{}' WHERE notification_id = %(notification_id)s"

# Find the people whom no round reached on a channel; some of their deliveries have one of the `states`.
WITH_FAILED = """
WITH failed AS (
    SELECT person_id, channel FROM delivery
    WHERE notification_id = %(notification_id)s AND channel <> 'inbox'
    GROUP BY person_id, channel
    HAVING bool_or(state = ANY(%(states)s))
       AND NOT bool_or(state IN ('accepted', 'read') OR state = 'unknown' AND state <> ALL(%(states)s))
), audience AS (SELECT DISTINCT person_id FROM failed)
"""

# Write another round for them, at the addresses of today.
FAILED_RECIPIENTS = ", chosen AS (SELECT * FROM judged JOIN failed USING (person_id, channel))"
INSERT_RESEND = WITH_FAILED + FIND_RECIPIENTS + FAILED_RECIPIENTS + WRITE_CHOSEN + START_ROUND

# Count what INSERT_DELIVERIES would write, by channel, language and reason.
COUNT_RECIPIENTS = (
    audience.WITH_AUDIENCE
    + FIND_RECIPIENTS
    + """
SELECT channel, language, reason, reason IS NULL AND channel <> 'inbox' AND quiet_until IS NOT NULL AS held,
       count(*) AS deliveries, count(DISTINCT person_id) AS people
FROM judged GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
)

# Count the people of an audience.
COUNT_AUDIENCE = audience.WITH_AUDIENCE + "SELECT count(*) AS n FROM audience"  # noqa: S608  # constants of our own

# Find the people of an audience whom no channel reaches.
SELECT_UNREACHABLE = (
    audience.WITH_AUDIENCE
    + FIND_RECIPIENTS
    + """
SELECT person_id, array_agg(DISTINCT channel || ': ' || reason ORDER BY channel || ': ' || reason) AS reasons,
       count(*) OVER () AS total
FROM judged GROUP BY person_id HAVING bool_and(reason IS NOT NULL) ORDER BY person_id LIMIT %(limit)s
"""
)

# Draw some people of an audience at random: those whom a provider would be called for now first, then all others whom a
# channel reaches.
DRAW_REACHABLE = (
    audience.WITH_AUDIENCE
    + FIND_RECIPIENTS
    + """
SELECT person_id FROM judged WHERE reason IS NULL GROUP BY person_id
ORDER BY bool_or(channel <> 'inbox' AND quiet_until IS NULL) DESC, random() LIMIT %(draw)s
"""
)

# Undo a plan whose text cannot be rendered. Other schools of a group then send to its addresses.
REFUSE_NOTIFICATION = """
WITH forgotten AS (
    DELETE FROM inbox_item WHERE notification_id = %(notification_id)s
), taken_back AS (
    DELETE FROM delivery WHERE notification_id = %(notification_id)s
), closed AS (
    DELETE FROM release WHERE notification_id = %(notification_id)s
), left_to_others AS (
    DELETE FROM group_address g USING notification n
    WHERE n.notification_id = %(notification_id)s AND g.group_id = n.group_id AND g.notification_id = n.notification_id
)
UPDATE notification SET state = 'failed', completed_at = clock_timestamp(), error = %(error)s, planned = 0,
    round_planned = 0, outstanding = 0
WHERE notification_id = %(notification_id)s
"""

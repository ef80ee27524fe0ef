"""Claims, outcomes, leases: the statements that move deliveries while providers are being called."""

# A permit's claim. Judged once more against what is true now: expired, opted out meanwhile, address moved on.
CLAIM = """
WITH due AS (
    SELECT d.delivery_id, d.person_id, d.address FROM delivery d
    WHERE d.notification_id = %(notification_id)s AND d.channel = %(channel)s AND d.state = 'pending'
      AND d.due_at <= clock_timestamp()
    ORDER BY d.delivery_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), judged AS (
    SELECT due.*, CASE
        WHEN n.expires_at <= clock_timestamp() THEN 'expired'
        WHEN n.state = 'cancelled' THEN 'cancelled'
        WHEN f.wanted IS FALSE THEN 'opted_out'
        WHEN %(channel)s = 'push' AND NOT EXISTS (
            SELECT FROM device v WHERE v.token = due.address AND v.person_id = due.person_id) THEN 'address_gone'
        WHEN %(channel)s = 'mail' AND NOT EXISTS (
            SELECT FROM contact c WHERE c.person_id = due.person_id AND c.kind = 'mail'
              AND c.address = due.address) THEN 'address_gone'
    END AS stop
    FROM due
    JOIN notification n ON n.notification_id = %(notification_id)s
    LEFT JOIN preference f ON f.person_id = due.person_id AND f.kind = n.kind AND f.channel = %(channel)s
), moved AS (
    UPDATE delivery d SET
        state = CASE WHEN j.stop IS NULL THEN 'sending' WHEN j.stop IN ('expired', 'cancelled') THEN j.stop
                     ELSE 'suppressed' END,
        reason = j.stop,
        attempts = d.attempts + (j.stop IS NULL)::int,
        lease = CASE WHEN j.stop IS NULL THEN %(lease)s::uuid END,
        leased_until = CASE WHEN j.stop IS NULL THEN clock_timestamp() + make_interval(secs => %(seconds)s) END,
        changed_at = clock_timestamp()
    FROM judged j WHERE d.delivery_id = j.delivery_id
    RETURNING d.delivery_id, d.person_id, d.school_id, d.address, d.attempts, d.state
), tried AS (
    INSERT INTO attempt (delivery_id, number, school_id)
    SELECT delivery_id, attempts, school_id FROM moved WHERE state = 'sending'
)
SELECT moved.*, v.fid, p.language FROM moved
LEFT JOIN device v ON %(channel)s = 'push' AND v.token = moved.address
LEFT JOIN person p ON p.person_id = moved.person_id
"""

# Filtered by lease token: a worker whose lease ran out must not overwrite what its successor found.
OUTCOMES = """
WITH result AS (
    SELECT * FROM unnest(%(ids)s::bigint[], %(states)s::text[], %(reasons)s::text[], %(outcomes)s::text[],
                         %(providers)s::text[], %(due_in)s::float8[])
        AS r(delivery_id, state, reason, outcome, provider_id, due_in)
), moved AS (
    UPDATE delivery d SET state = r.state, reason = r.reason, provider_id = coalesce(r.provider_id, d.provider_id),
        due_at = CASE WHEN r.state = 'pending' THEN clock_timestamp() + make_interval(secs => r.due_in)
                      ELSE d.due_at END,
        lease = NULL, leased_until = NULL, changed_at = clock_timestamp()
    FROM result r WHERE d.delivery_id = r.delivery_id AND d.lease = %(lease)s AND d.state = 'sending'
    RETURNING d.delivery_id, d.attempts, d.state, r.outcome, r.reason
), tried AS (
    UPDATE attempt a SET outcome = m.outcome, reason = m.reason, ended_at = clock_timestamp()
    FROM moved m WHERE a.delivery_id = m.delivery_id AND a.number = m.attempts
)
SELECT count(*) AS moved, count(*) FILTER (WHERE state <> 'pending') AS finished FROM moved
"""

RENEW = """
UPDATE delivery SET leased_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE notification_id = %(notification_id)s AND lease = %(lease)s AND state = 'sending'
"""

# Whoever takes the last outstanding delivery to its end completes the notification.
SETTLE = """
UPDATE notification SET outstanding = outstanding - %(finished)s,
    state = CASE WHEN outstanding = %(finished)s AND state = 'sending' THEN 'completed' ELSE state END,
    completed_at = CASE WHEN outstanding = %(finished)s THEN statement_timestamp() END,
    told_at = CASE WHEN told_at < statement_timestamp() - interval '1 second' THEN statement_timestamp()
                   ELSE told_at END
WHERE notification_id = %(notification_id)s
RETURNING notification_id, school_id, task_id, planned, outstanding, state, told_at = statement_timestamp() AS tell
"""

COUNTS = """
SELECT channel, state, count(*) AS n FROM delivery WHERE notification_id = %(notification_id)s GROUP BY channel, state
"""

# An attempt whose worker died: nobody knows whether the provider was called. A repeat replaces what the person sees.
EXPIRED = """
WITH lost AS (
    SELECT delivery_id FROM delivery WHERE state = 'sending' AND leased_until < clock_timestamp()
    LIMIT 5000 FOR UPDATE SKIP LOCKED
), moved AS (
    UPDATE delivery d SET
        state = CASE WHEN d.attempts >= %(most)s THEN 'unknown' ELSE 'pending' END,
        reason = 'no_outcome', due_at = clock_timestamp(), lease = NULL, leased_until = NULL,
        changed_at = clock_timestamp()
    FROM lost WHERE d.delivery_id = lost.delivery_id
    RETURNING d.delivery_id, d.notification_id, d.attempts, d.state
), tried AS (
    UPDATE attempt a SET outcome = 'unknown', reason = 'no_outcome', ended_at = clock_timestamp()
    FROM moved m WHERE a.delivery_id = m.delivery_id AND a.number = m.attempts AND a.outcome IS NULL
)
SELECT notification_id, count(*) FILTER (WHERE state = 'unknown') AS finished FROM moved GROUP BY notification_id
"""

# Windows whose permit was lost or spent while rows are due: a permit more changes nothing, a permit less would.
TOP_UP = """
UPDATE release r SET permitted_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE r.permitted_until < clock_timestamp() AND EXISTS (
    SELECT FROM delivery d WHERE d.notification_id = r.notification_id AND d.channel = r.channel
      AND d.state = 'pending' AND d.due_at <= clock_timestamp())
RETURNING r.notification_id, r.channel, r.lane
"""

PERMITTED = """
UPDATE release SET permitted_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE notification_id = %(notification_id)s AND channel = %(channel)s
"""

# With its words by language, and what a push may show of them.
NOTIFICATION = """
SELECT n.*, s.name AS school_name, s.language AS school_language, coalesce(s.mute_details, true) AS mute_details,
    (SELECT jsonb_object_agg(r.language, to_jsonb(r)) FROM rendering r
      WHERE r.notification_id = n.notification_id) AS words
FROM notification n LEFT JOIN school s USING (school_id) WHERE n.notification_id = %(notification_id)s
"""

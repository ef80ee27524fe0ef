"""Claims, outcomes, leases: the statements that move deliveries while providers are being called."""

DUE = """
WITH due AS (
    SELECT d.delivery_id, d.notification_id, d.person_id, d.address, d.released_at FROM delivery d
    WHERE d.notification_id = %(notification_id)s AND d.channel = %(channel)s AND d.state = 'pending'
      AND d.digest IS NULL AND d.due_at <= clock_timestamp()
    ORDER BY d.due_at, d.delivery_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
"""

# The rows of a digest go together, so one claim at a time: whoever holds the school's window.
WINDOW = """
SELECT FROM digest_window WHERE school_id = %(school_id)s AND channel = %(channel)s FOR UPDATE
"""
DUE_DIGESTS = """
WITH chosen AS MATERIALIZED (
    SELECT DISTINCT digest FROM (
        SELECT d.digest FROM delivery d
        WHERE d.school_id = %(school_id)s AND d.channel = %(channel)s AND d.state = 'pending'
          AND d.digest IS NOT NULL AND d.due_at <= clock_timestamp()
        ORDER BY d.due_at LIMIT %(limit)s) AS ready
), due AS (
    SELECT d.delivery_id, d.notification_id, d.person_id, d.address, d.released_at
    FROM delivery d JOIN chosen ON chosen.digest = d.digest WHERE d.state = 'pending' FOR UPDATE OF d SKIP LOCKED
)
"""

# Judged once more against what is true now: stopped, expired, opted out meanwhile, address moved on, night begun.
# What quiet hours let go within the last hour is not held again: the time of a digest may itself be quiet. What may
# have arrived stays in its digest, so that a repeat replaces it.
JUDGED = """, judged AS (
    SELECT due.delivery_id, CASE
        WHEN n.state = 'cancelled' OR n.retracted_at IS NOT NULL THEN 'cancelled'
        WHEN n.expires_at <= clock_timestamp() THEN 'expired'
        WHEN p.active IS FALSE THEN 'inactive'
        WHEN n.kind <> 'safety' AND f.wanted IS FALSE THEN 'opted_out'
        WHEN %(channel)s = 'push' AND NOT EXISTS (
            SELECT FROM device v WHERE v.token = due.address AND v.person_id = due.person_id) THEN 'address_gone'
        WHEN %(channel)s = 'mail' AND NOT EXISTS (
            SELECT FROM contact c WHERE c.person_id = due.person_id AND c.kind = 'mail'
              AND c.address = due.address) THEN 'address_gone'
        WHEN %(channel)s = 'mail' THEN (
            SELECT u.reason FROM suppression u
            WHERE u.school_id = n.school_id AND u.channel = 'mail' AND u.active
              AND (u.reason = 'bounced' OR n.kind <> 'safety') AND u.kind IN (n.kind, '')
              AND u.target IN (lower(due.address), due.person_id::text) ORDER BY u.reason LIMIT 1)
    END AS stop,
    CASE WHEN NOT n.urgent AND n.kind <> 'safety' AND (p.quiet_starts IS NOT NULL OR s.quiet_starts IS NOT NULL)
          AND (due.released_at IS NULL OR due.released_at < clock_timestamp() - interval '1 hour') THEN quiet_until(
        clock_timestamp(), coalesce(p.timezone, s.timezone), coalesce(p.quiet_starts, s.quiet_starts),
        coalesce(p.quiet_ends, s.quiet_ends), s.digest_at) END AS quiet_until
    FROM due
    JOIN notification n ON n.notification_id = due.notification_id
    LEFT JOIN person p ON p.person_id = due.person_id
    LEFT JOIN school s ON s.school_id = n.school_id
    LEFT JOIN preference f ON f.person_id = due.person_id AND f.kind = n.kind AND f.channel = %(channel)s
), ruled AS (
    SELECT j.*, CASE WHEN j.stop IN ('expired', 'cancelled') THEN j.stop WHEN j.stop IS NOT NULL THEN 'suppressed'
                     WHEN j.quiet_until IS NOT NULL THEN 'held' ELSE 'sending' END AS state
    FROM judged j
), moved AS (
    UPDATE delivery d SET
        state = r.state,
        reason = CASE WHEN r.state = 'held' THEN 'quiet_hours' ELSE r.stop END,
        due_at = CASE WHEN r.state = 'held' THEN r.quiet_until ELSE d.due_at END,
        digest = CASE WHEN r.state = 'held' AND d.silent = 0 THEN NULL ELSE d.digest END,
        attempts = d.attempts + (r.state = 'sending')::int,
        lease = CASE WHEN r.state = 'sending' THEN %(lease)s::uuid END,
        leased_until = CASE WHEN r.state = 'sending' THEN clock_timestamp() + make_interval(secs => %(seconds)s) END,
        changed_at = clock_timestamp()
    FROM ruled r WHERE d.delivery_id = r.delivery_id
    RETURNING d.*
), tried AS (
    INSERT INTO attempt (delivery_id, number, school_id)
    SELECT delivery_id, attempts, school_id FROM moved WHERE state = 'sending'
)
SELECT m.delivery_id, m.notification_id, m.school_id, m.person_id, m.address, m.digest, m.attempts, m.silent, m.patient,
       m.state, m.changed_at AS claimed_at, v.fid, p.language
FROM moved m
LEFT JOIN device v ON %(channel)s = 'push' AND v.token = m.address
LEFT JOIN person p ON p.person_id = m.person_id
ORDER BY m.delivery_id
"""

CLAIM = DUE + JUDGED
CLAIM_DIGESTS = DUE_DIGESTS + JUDGED

# Filtered by lease token: a worker whose lease ran out must not overwrite what its successor found. Where no call was
# made after all, there was no attempt.
OUTCOMES = """
WITH result AS (
    SELECT * FROM unnest(%(ids)s::bigint[], %(states)s::text[], %(reasons)s::text[], %(outcomes)s::text[],
                         %(providers)s::text[], %(due_in)s::float8[])
        AS r(delivery_id, state, reason, outcome, provider_id, due_in)
), moved AS (
    UPDATE delivery d SET state = r.state, reason = r.reason, provider_id = coalesce(r.provider_id, d.provider_id),
        due_at = CASE WHEN r.state = 'pending' THEN statement_timestamp() + make_interval(secs => r.due_in)
                      ELSE d.due_at END,
        attempts = d.attempts - (r.outcome = 'withheld')::int, silent = d.silent + (r.outcome = 'unknown')::int,
        patient = d.patient + (r.outcome = ANY(%(patient)s::text[]))::int,
        lease = NULL, leased_until = NULL, changed_at = clock_timestamp()
    FROM result r WHERE d.delivery_id = r.delivery_id AND d.lease = %(lease)s AND d.state = 'sending'
    RETURNING d.delivery_id, d.notification_id, d.attempts, d.state, r.outcome, r.reason
), tried AS (
    UPDATE attempt a SET outcome = m.outcome, reason = m.reason, ended_at = statement_timestamp()
    FROM moved m WHERE a.delivery_id = m.delivery_id AND a.number = m.attempts AND m.outcome <> 'withheld'
), withheld AS (
    DELETE FROM attempt a USING moved m
    WHERE m.outcome = 'withheld' AND a.delivery_id = m.delivery_id AND a.number = m.attempts + 1
)
SELECT notification_id, count(*) AS moved, count(*) FILTER (WHERE state <> 'pending') AS finished,
       bool_or(outcome = 'accepted') AS well
FROM moved GROUP BY notification_id ORDER BY notification_id
"""

RENEW = """
UPDATE delivery SET leased_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE lease = %(lease)s AND state = 'sending' AND delivery_id = ANY(%(ids)s)
"""

# Whoever takes the last outstanding delivery to its end completes the notification.
SETTLE = """
UPDATE notification SET outstanding = outstanding - %(finished)s,
    state = CASE WHEN outstanding = %(finished)s AND state = 'sending' THEN 'completed' ELSE state END,
    completed_at = CASE WHEN outstanding = %(finished)s THEN statement_timestamp() END,
    warning = CASE WHEN %(well)s THEN NULL ELSE warning END,
    told_at = CASE WHEN told_at < statement_timestamp() - interval '1 second' THEN statement_timestamp()
                   ELSE told_at END
WHERE notification_id = %(notification_id)s
RETURNING notification_id, school_id, task_id, round_planned, outstanding, state, warning,
          told_at = statement_timestamp() AS tell, completed_at IS NOT NULL AS ended
"""

# Our own configuration is refused: whoever looks at the task sees why nothing moves.
WARN = """
UPDATE notification SET warning = %(warning)s
WHERE notification_id = %(notification_id)s AND state = 'sending' AND warning IS DISTINCT FROM %(warning)s
RETURNING school_id, task_id, round_planned, outstanding
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
        state = CASE WHEN d.silent + 1 >= %(most)s THEN 'unknown' ELSE 'pending' END, silent = d.silent + 1,
        reason = 'no_outcome', due_at = statement_timestamp(), lease = NULL, leased_until = NULL,
        changed_at = clock_timestamp()
    FROM lost WHERE d.delivery_id = lost.delivery_id
    RETURNING d.delivery_id, d.notification_id, d.attempts, d.state
), tried AS (
    UPDATE attempt a SET outcome = 'unknown', reason = 'no_outcome', ended_at = clock_timestamp()
    FROM moved m WHERE a.delivery_id = m.delivery_id AND a.number = m.attempts AND a.outcome IS NULL
)
SELECT notification_id, count(*) FILTER (WHERE state = 'unknown') AS finished FROM moved
GROUP BY notification_id ORDER BY notification_id
"""

# Windows whose permit was lost or spent while rows are due: a permit more changes nothing, a permit less would.
TOP_UP = """
UPDATE release r SET permitted_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE r.permitted_until < clock_timestamp() AND EXISTS (
    SELECT FROM delivery d WHERE d.notification_id = r.notification_id AND d.channel = r.channel
      AND d.state = 'pending' AND d.digest IS NULL AND d.due_at <= clock_timestamp())
RETURNING r.notification_id, r.channel, r.lane
"""
TOP_UP_DIGESTS = """
UPDATE digest_window w SET permitted_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE w.permitted_until < clock_timestamp() AND EXISTS (
    SELECT FROM delivery d WHERE d.school_id = w.school_id AND d.channel = w.channel
      AND d.state = 'pending' AND d.digest IS NOT NULL AND d.due_at <= clock_timestamp())
RETURNING w.school_id, w.channel
"""

# Nothing of it will be sent any more; a resend opens its windows anew.
CLOSE = "DELETE FROM release WHERE notification_id = %(notification_id)s"

PERMITTED = """
UPDATE release SET permitted_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE notification_id = %(notification_id)s AND channel = %(channel)s
"""
PERMITTED_DIGESTS = """
UPDATE digest_window SET permitted_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE school_id = %(school_id)s AND channel = %(channel)s
"""

# With its words by language, and what a push may show of them.
WORDED = """
SELECT n.*, s.name AS school_name, s.language AS school_language, coalesce(s.mute_details, true) AS mute_details,
    (SELECT jsonb_object_agg(r.language, to_jsonb(r)) FROM rendering r
      WHERE r.notification_id = n.notification_id) AS words
FROM notification n LEFT JOIN school s USING (school_id)
"""
NOTIFICATION = WORDED + "WHERE n.notification_id = %(notification_id)s"
NOTIFICATIONS = WORDED + "WHERE n.notification_id = ANY(%(ids)s)"

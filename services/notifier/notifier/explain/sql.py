"""Statements that read what happened between one notification and one person."""

# Read the notification, and those of its escalation steps that the person received.
SELECT_NOTIFICATIONS = """
SELECT n.* FROM notification n
WHERE n.school_id = (SELECT bound_school()) AND NOT n.tombstone AND (
    n.notification_id = %(notification_id)s
    OR (n.escalates = %(notification_id)s AND EXISTS (
        SELECT FROM delivery d WHERE d.notification_id = n.notification_id AND d.person_id = %(person)s)))
ORDER BY n.escalates IS NOT NULL, n.requested_at
"""

# Read the person's deliveries, with the last outcome and the person who receives mail for the same address.
SELECT_DELIVERIES = """
SELECT d.delivery_id, d.notification_id, d.channel, d.state, d.reason, d.attempts, d.round, d.due_at, d.changed_at,
    d.released_at, d.digest,
    (SELECT a.outcome FROM attempt a WHERE a.delivery_id = d.delivery_id ORDER BY a.number DESC LIMIT 1) AS outcome,
    CASE WHEN d.reason = 'same_address' THEN (
        SELECT o.person_id FROM delivery o
        WHERE o.notification_id = d.notification_id AND o.channel = d.channel AND lower(o.address) = lower(d.address)
          AND o.state <> 'suppressed' LIMIT 1) END AS same_as
FROM delivery d WHERE d.notification_id = ANY(%(notifications)s) AND d.person_id = %(person)s
ORDER BY d.delivery_id
"""

# Read each call to a provider.
SELECT_ATTEMPTS = """
SELECT a.delivery_id, a.number, a.started_at, a.ended_at, a.outcome, a.reason, d.channel
FROM attempt a JOIN delivery d USING (delivery_id)
WHERE d.notification_id = ANY(%(notifications)s) AND d.person_id = %(person)s
ORDER BY a.started_at, a.delivery_id, a.number
"""

# Read the person's inbox items.
SELECT_INBOX_ITEMS = """
SELECT notification_id, created_at, read_at, acknowledged_at, withdrawn_at FROM inbox_item
WHERE notification_id = ANY(%(notifications)s) AND person_id = %(person)s
"""

# Read the escalation steps at which the person was asked.
SELECT_STEPS = """
SELECT p.about, p.step, p.asked_at, e.state, e.ended_at, e.reached_by FROM escalation_person p
JOIN escalation e USING (notification_id, about)
WHERE p.notification_id = %(notification_id)s AND p.person_id = %(person)s ORDER BY p.asked_at, p.about
"""

# Count readers, and escalation cases by state.
COUNT_REACH = """
SELECT n.escalation IS NOT NULL AS must_reach,
    (SELECT count(*) FROM inbox_item i
      WHERE i.notification_id = n.notification_id AND i.withdrawn_at IS NULL) AS people,
    (SELECT count(*) FROM inbox_item i WHERE i.notification_id = n.notification_id AND i.read_at IS NOT NULL) AS read,
    count(e.about) FILTER (WHERE e.state = 'open') AS open,
    count(e.about) FILTER (WHERE e.state = 'reached') AS reached,
    count(e.about) FILTER (WHERE e.state = 'missed') AS missed,
    count(e.about) FILTER (WHERE e.state = 'stopped') AS stopped
FROM notification n LEFT JOIN escalation e USING (notification_id)
WHERE n.notification_id = %(notification_id)s GROUP BY n.notification_id
"""

# Read a page of escalation cases, with the people asked about each.
SELECT_CASES = """
SELECT e.about, e.state, e.due_at, e.deadline, e.reached_by, e.ended_at,
    (SELECT coalesce(jsonb_agg(jsonb_build_object(
                'person_id', p.person_id, 'step', p.step, 'asked_at', p.asked_at,
                'read_at', (SELECT min(i.read_at) FROM inbox_item i JOIN notification m USING (notification_id)
                             WHERE i.person_id = p.person_id AND i.notification_id IN (
                                 SELECT c.notification_id FROM notification c
                                 WHERE c.notification_id = e.notification_id OR c.escalates = e.notification_id)))
            ORDER BY p.asked_at, p.person_id), '[]')
       FROM escalation_person p WHERE p.notification_id = e.notification_id AND p.about = e.about) AS asked
FROM escalation e
WHERE e.notification_id = %(notification_id)s AND (%(state)s::text IS NULL OR e.state = %(state)s)
  AND (%(after)s::uuid IS NULL OR e.about > %(after)s)
ORDER BY e.about LIMIT %(limit)s
"""

"""What is known of one notification and one person: the statements behind `why`."""

from notifier.audience.sql import OF_THE_BOUND_SCHOOL

# The notification itself, and those of its must-reach steps that the person is on.
NOTICES = """
SELECT n.* FROM notification n
WHERE n.school_id = (SELECT bound_school()) AND NOT n.tombstone AND (
    n.notification_id = %(notification_id)s
    OR (n.escalates = %(notification_id)s AND EXISTS (
        SELECT FROM delivery d WHERE d.notification_id = n.notification_id AND d.person_id = %(person)s)))
ORDER BY n.escalates IS NOT NULL, n.requested_at
"""
DELIVERIES = """
SELECT d.delivery_id, d.notification_id, d.channel, d.state, d.reason, d.attempts, d.round, d.due_at, d.changed_at,
    d.released_at, d.digest,
    (SELECT a.outcome FROM attempt a WHERE a.delivery_id = d.delivery_id ORDER BY a.number DESC LIMIT 1) AS outcome,
    CASE WHEN d.reason = 'same_address' THEN (
        SELECT o.person_id FROM delivery o
        WHERE o.notification_id = d.notification_id AND o.channel = d.channel AND lower(o.address) = lower(d.address)
          AND o.state <> 'suppressed' LIMIT 1) END AS same_as
FROM delivery d WHERE d.notification_id = ANY(%(notices)s) AND d.person_id = %(person)s
ORDER BY d.delivery_id
"""
ATTEMPTS = """
SELECT a.delivery_id, a.number, a.started_at, a.ended_at, a.outcome, a.reason, d.channel
FROM attempt a JOIN delivery d USING (delivery_id)
WHERE d.notification_id = ANY(%(notices)s) AND d.person_id = %(person)s ORDER BY a.started_at, a.delivery_id, a.number
"""
ITEMS = """
SELECT notification_id, created_at, read_at, acknowledged_at, withdrawn_at FROM inbox_item
WHERE notification_id = ANY(%(notices)s) AND person_id = %(person)s
"""
STEPS = """
SELECT p.about, p.step, p.asked_at, e.state, e.ended_at, e.reached_by FROM escalation_person p
JOIN escalation e USING (notification_id, about)
WHERE p.notification_id = %(notification_id)s AND p.person_id = %(person)s ORDER BY p.asked_at, p.about
"""
ROLES = """
SELECT role, starts, ends FROM membership WHERE person_id = %(person)s AND school_id = (SELECT bound_school())
"""
STUDENTS = f"""
SELECT s.student_id, s.grade, s.classes, s.active, mine.custody, mine.billing, mine.emergency,
    (SELECT count(*) FROM guardianship g WHERE g.school_id = mine.school_id AND g.student_id = mine.student_id
       AND (g.rank, g.guardian_id) <= (mine.rank, mine.guardian_id) AND {OF_THE_BOUND_SCHOOL}) AS nth
FROM guardianship mine JOIN student s USING (school_id, student_id)
WHERE mine.guardian_id = %(person)s AND mine.school_id = (SELECT bound_school())
"""  # noqa: S608  # constants of our own
SELF = """
SELECT student_id, grade, classes, active FROM student
WHERE student_id = %(person)s AND school_id = (SELECT bound_school())
"""
TOLD = """
SELECT %(person)s IN (SELECT person_id FROM told((SELECT bound_school()), %(told)s, %(version)s)) AS told,
       %(person)s IN (SELECT person_id FROM told((SELECT bound_school()), %(except_told)s, %(version)s)) AS except_told,
       school_today((SELECT bound_school())) AS today
"""

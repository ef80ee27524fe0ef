"""What an export of a person's data contains of the notifier. Names, addresses and devices are the gateway's."""

from shared.service.personal_data import PersonalData

# Select notifications that a person received, and those about the person as a student, with their texts.
SELECT_NOTIFICATIONS = """
SELECT n.notification_id, n.kind, n.title, n.body, n.data, n.urgent, n.correction, n.state, n.requested_at,
       n.completed_at
FROM notification n
WHERE n.school_id = %(school)s AND (
    EXISTS (SELECT FROM delivery d WHERE d.notification_id = n.notification_id AND d.person_id = %(person)s)
    OR jsonb_typeof(n.audience -> 'students') = 'array' AND n.audience -> 'students' ? %(person)s::text)
ORDER BY n.notification_id DESC LIMIT %(limit)s
"""
# Select notifications that a person requested. Their texts are about other people.
SELECT_REQUESTED = """
SELECT notification_id, kind, urgent, state, planned, requested_at, completed_at FROM notification
WHERE school_id = %(school)s AND requested_by = %(person)s ORDER BY notification_id DESC LIMIT %(limit)s
"""
# Select deliveries to a person. They are found by the school's notifications: no index begins with the person.
SELECT_DELIVERIES = """
SELECT d.notification_id, d.delivery_id, d.channel, d.address, d.round, d.state, d.reason, d.attempts, d.due_at,
       d.changed_at
FROM notification n JOIN delivery d USING (notification_id)
WHERE n.school_id = %(school)s AND d.person_id = %(person)s
ORDER BY d.delivery_id DESC LIMIT %(limit)s
"""
# Select the calls to providers for these deliveries.
SELECT_ATTEMPTS = """
SELECT a.delivery_id, a.number, a.started_at, a.ended_at, a.outcome, a.reason
FROM notification n JOIN delivery d USING (notification_id) JOIN attempt a USING (delivery_id)
WHERE n.school_id = %(school)s AND d.person_id = %(person)s
ORDER BY a.delivery_id DESC, a.number LIMIT %(limit)s
"""
# Select the items of a person's inbox.
SELECT_INBOX = """
SELECT notification_id, created_at, read_at, acknowledged_at, withdrawn_at FROM inbox_item
WHERE school_id = %(school)s AND person_id = %(person)s ORDER BY item_id DESC LIMIT %(limit)s
"""
# Select the times when a person was asked because a guardian had to be reached.
SELECT_ASKED = """
SELECT notification_id, about, step, asked_at FROM escalation_person
WHERE school_id = %(school)s AND person_id = %(person)s ORDER BY asked_at DESC LIMIT %(limit)s
"""
# Select such cases about a person, and those that ended because the person read the notification.
SELECT_CASES = """
SELECT notification_id, about, state, due_at, deadline, reached_by, ended_at FROM escalation
WHERE school_id = %(school)s AND %(person)s IN (about, reached_by) ORDER BY due_at DESC LIMIT %(limit)s
"""
# Select what a person and their addresses are no longer sent.
SELECT_SUPPRESSIONS = """
SELECT channel, target, kind, reason, detail, times, active, created_at, changed_at FROM suppression s
WHERE school_id = %(school)s AND (target = %(person)s::text OR EXISTS (
    SELECT FROM contact c WHERE c.person_id = %(person)s AND lower(c.address) = s.target))
ORDER BY suppression_id DESC LIMIT %(limit)s
"""
# Select the versions of templates that a person wrote.
SELECT_TEMPLATES = """
SELECT name, version, changed_at FROM template
WHERE school_id = %(school)s AND changed_by = %(person)s ORDER BY changed_at DESC LIMIT %(limit)s
"""

PERSONAL_DATA = PersonalData(
    {
        "notifications": SELECT_NOTIFICATIONS,
        "requested_notifications": SELECT_REQUESTED,
        "deliveries": SELECT_DELIVERIES,
        "attempts": SELECT_ATTEMPTS,
        "inbox": SELECT_INBOX,
        "escalations_asked": SELECT_ASKED,
        "escalations": SELECT_CASES,
        "suppressions": SELECT_SUPPRESSIONS,
        "templates": SELECT_TEMPLATES,
    }
)

"""Invariants of the notifier's tables: each statement counts violations among open and recently completed rows."""

RECENT = "(n.completed_at IS NULL OR n.completed_at > clock_timestamp() - interval '1 hour')"

# Promise 1: count notifications whose number of planned deliveries differs from their rows.
COUNT_PLANNED_DIFFERS = f"""
SELECT count(*) AS violations FROM notification n
WHERE n.state IN ('sending', 'completed') AND {RECENT}
  AND n.planned <> (SELECT count(*) FROM delivery d WHERE d.notification_id = n.notification_id)
"""  # noqa: S608  # our own condition

# Count notifications whose outstanding count is wrong: they would complete too early, or never.
COUNT_OUTSTANDING_DIFFERS = f"""
SELECT count(*) AS violations FROM notification n
WHERE n.state IN ('sending', 'completed') AND {RECENT}
  AND n.outstanding <> (SELECT count(*) FROM delivery d WHERE d.notification_id = n.notification_id
                          AND d.state IN ('pending', 'held', 'sending'))
"""  # noqa: S608  # our own condition

# Count deliveries of corrected notifications that are still open after the longest retry, whose claim stops them.
COUNT_CORRECTED_OPEN = """
SELECT count(*) AS violations FROM notification n JOIN delivery d USING (notification_id)
WHERE n.retracted_at BETWEEN clock_timestamp() - interval '1 day' AND clock_timestamp() - interval '15 minutes'
  AND d.state IN ('pending', 'held')
"""

# Count escalation cases whose next step is overdue.
COUNT_ESCALATION_OVERDUE = """
SELECT count(*) AS violations FROM escalation
WHERE state = 'open' AND due_at < clock_timestamp() - interval '5 minutes'
"""

INVARIANTS = {
    "planned_count_differs": COUNT_PLANNED_DIFFERS,
    "outstanding_count_differs": COUNT_OUTSTANDING_DIFFERS,
    "corrected_delivery_open": COUNT_CORRECTED_OPEN,
    "escalation_overdue": COUNT_ESCALATION_OVERDUE,
}

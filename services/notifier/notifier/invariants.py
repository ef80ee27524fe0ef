"""What must never be found in the notifier's tables. Looked at: what is open, and what ended within the last hour."""

RECENT = "(n.completed_at IS NULL OR n.completed_at > clock_timestamp() - interval '1 hour')"

# Promise 1: one row for everybody who was planned, each in some state.
PLANNED = f"""
SELECT count(*) AS violations FROM notification n
WHERE n.state IN ('sending', 'completed') AND {RECENT}
  AND n.planned <> (SELECT count(*) FROM delivery d WHERE d.notification_id = n.notification_id)
"""  # noqa: S608  # our own condition

# Whoever takes the last outstanding row to its end completes the notification: a wrong count never would, or too early.
OUTSTANDING = f"""
SELECT count(*) AS violations FROM notification n
WHERE n.state IN ('sending', 'completed') AND {RECENT}
  AND n.outstanding <> (SELECT count(*) FROM delivery d WHERE d.notification_id = n.notification_id
                          AND d.state IN ('pending', 'held', 'sending'))
"""  # noqa: S608  # our own condition

# What was taken back is not sent: a retry that was put off for longest is stopped by its claim within this time.
CORRECTED = """
SELECT count(*) AS violations FROM notification n JOIN delivery d USING (notification_id)
WHERE n.retracted_at BETWEEN clock_timestamp() - interval '1 day' AND clock_timestamp() - interval '15 minutes'
  AND d.state IN ('pending', 'held')
"""

# Somebody must be reached, and nobody is being asked.
UNASKED = """
SELECT count(*) AS violations FROM escalation
WHERE state = 'open' AND due_at < clock_timestamp() - interval '5 minutes'
"""

INVARIANTS = {
    "planned_is_not_rows": PLANNED,
    "outstanding_is_not_open": OUTSTANDING,
    "corrected_is_open": CORRECTED,
    "must_reach_is_not_asked": UNASKED,
}

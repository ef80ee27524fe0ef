"""Invariants of the scheduler: each statement counts rows that must not exist."""

# Count active schedules that have been due for minutes: the claim loops of all replicas must have stopped.
COUNT_OVERDUE = """
SELECT count(*) AS violations FROM schedule
WHERE state = 'active' AND due_at < clock_timestamp() - interval '5 minutes'
"""

# Count simple schedules without a prepared message: their run would publish nothing.
COUNT_WITHOUT_MESSAGE = """
SELECT count(*) AS violations FROM schedule
WHERE state = 'active' AND simple AND due_at IS NOT NULL AND (headers IS NULL OR data IS NULL)
"""

INVARIANTS = {"schedule_overdue": COUNT_OVERDUE, "schedule_unarmed": COUNT_WITHOUT_MESSAGE}

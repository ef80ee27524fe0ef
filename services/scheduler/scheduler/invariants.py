"""What must never be found in the scheduler's tables."""

# Due for minutes, not paused, and nobody has let it run: the claim loop of every replica must have stopped.
COUNT_OVERDUE = """
SELECT count(*) AS violations FROM schedule
WHERE state = 'active' AND due_at < clock_timestamp() - interval '5 minutes'
"""

# Firing completes the message that lies ready in the row: without one it would tell nothing.
COUNT_WITHOUT_MESSAGE = """
SELECT count(*) AS violations FROM schedule
WHERE state = 'active' AND simple AND due_at IS NOT NULL AND (headers IS NULL OR data IS NULL)
"""

INVARIANTS = {"schedule_overdue": COUNT_OVERDUE, "schedule_unarmed": COUNT_WITHOUT_MESSAGE}

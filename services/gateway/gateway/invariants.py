"""What must never be found in the gateway's tables."""

# A notification was accepted for now, and its owner has still not said a word about the task: its event is lost, or
# its owner has been away for that long.
UNHEARD = """
SELECT count(*) AS violations FROM intent i JOIN task t USING (task_id)
WHERE t.state = 'accepted' AND i.created_at < clock_timestamp() - interval '15 minutes'
  AND NOT EXISTS (SELECT FROM schedule_intent s WHERE s.notification_id = i.notification_id)
"""

# An import without a task, or one that ended while its task did not.
IMPORTS = """
SELECT count(*) AS violations FROM import_job j LEFT JOIN task t USING (task_id)
WHERE t.task_id IS NULL
   OR (j.finished_at < clock_timestamp() - interval '15 minutes'
       AND t.state NOT IN ('succeeded', 'failed', 'cancelled'))
"""

INVARIANTS = {"intent_unheard": UNHEARD, "import_left_open": IMPORTS}

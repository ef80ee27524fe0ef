"""States that the gateway's tables must never have."""

# Find notifications that were accepted for now and whose owner has not reported on the task: the event is lost, or
# the owner has been unavailable for that long.
FIND_UNHEARD = """
SELECT count(*) AS violations FROM intent i JOIN task t USING (task_id)
WHERE t.state = 'accepted' AND i.created_at < clock_timestamp() - interval '15 minutes'
  AND NOT EXISTS (SELECT FROM schedule_intent s WHERE s.notification_id = i.notification_id)
"""

# Find imports without a task, and those that ended while their task did not.
FIND_OPEN_IMPORTS = """
SELECT count(*) AS violations FROM import_job j LEFT JOIN task t USING (task_id)
WHERE t.task_id IS NULL
   OR (j.finished_at < clock_timestamp() - interval '15 minutes'
       AND t.state NOT IN ('succeeded', 'failed', 'cancelled'))
"""

# Find faults whose count is not the number of their open failures.
FIND_WRONG_COUNTS = """
SELECT count(*) AS violations FROM (
    SELECT FROM (
        SELECT school_id, queue, fingerprint, type, change FROM failure_count
        UNION ALL
        SELECT school_id, queue, fingerprint, type, -1 FROM failure
        WHERE given_back_at IS NULL AND discarded_at IS NULL) both_sides
    GROUP BY school_id, queue, fingerprint, type HAVING sum(change) <> 0) wrong
"""

INVARIANTS = {
    "intent_unheard": FIND_UNHEARD,
    "import_left_open": FIND_OPEN_IMPORTS,
    "failure_count_differs": FIND_WRONG_COUNTS,
}

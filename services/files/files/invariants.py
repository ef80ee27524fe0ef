"""Invariants of the file service's tables: each statement counts violations."""

# Count files that wait to be read, but whose task has ended.
COUNT_LEFT_UNREAD = """
SELECT count(*) AS violations FROM file f JOIN task_track t USING (task_id)
WHERE f.state = 'stored' AND f.deleted_at IS NULL AND t.state IN ('succeeded', 'failed', 'cancelled')
  AND t.changed_at < clock_timestamp() - interval '1 minute'
"""

# Count files that show a reading which does not exist.
COUNT_READING_MISSING = """
SELECT count(*) AS violations FROM file f
WHERE f.revision > 0 AND NOT EXISTS (
    SELECT FROM reading r WHERE r.file_id = f.file_id AND r.revision = f.revision)
"""

INVARIANTS = {"file_left_unread": COUNT_LEFT_UNREAD, "file_reading_missing": COUNT_READING_MISSING}

"""Invariants of the report service."""

INVARIANTS = {
    # A report that is ready has its files, or is the same as one that has.
    "report_without_files": """
        SELECT count(*) AS violations FROM report r
        WHERE r.state = 'ready' AND NOT EXISTS (
            SELECT FROM report_file f WHERE f.report_id = coalesce(r.same_as, r.report_id))
    """,
    # A report waits only while its task has not ended.
    "report_waits_without_task": """
        SELECT count(*) AS violations FROM report r
        WHERE r.state = 'waiting' AND EXISTS (
            SELECT FROM task_lease l WHERE l.task_id = r.task_id AND l.ended_at IS NOT NULL)
    """,
}
"""Name → statement; `violations` must be 0."""

"""How long failures are kept that an operator has dealt with. Open failures stay until someone decides."""

from shared.service.retention import Policy

LONG_AGO = "< clock_timestamp() - make_interval(days => %(days)s)"
CLOSED = f"coalesce(failure.resolved_at, failure.discarded_at) {LONG_AGO}"
MEMBERS = f"""
EXISTS (SELECT FROM failure_retry r WHERE r.task_id = failure_retry_member.task_id AND r.ended_at {LONG_AGO})
"""
RETRIES = f"""
failure_retry.ended_at {LONG_AGO}
AND NOT EXISTS (SELECT FROM failure_retry_member m WHERE m.task_id = failure_retry.task_id)
"""


def of_failures(days: int) -> tuple[Policy, ...]:
    """Return the policies of closed failures, and of retries that have ended: their members go before them."""
    return (
        Policy("failure", CLOSED, days),
        Policy("failure_retry_member", MEMBERS, days),
        Policy("failure_retry", RETRIES, days),
    )

"""The members of a retry of many failures: each is waiting, sent, or has one outcome."""

from uuid import UUID

from shared.transactions.unit_of_work import UnitOfWork

# Record the outcome of a member, once.
SETTLE_MEMBER = """
UPDATE failure_retry_member SET state = %(state)s, reason = %(reason)s
WHERE task_id = %(task_id)s AND failure_id = %(failure)s AND state = 'sent'
"""
OUTCOMES = {
    "done": ("retried", None),
    "duplicate": ("skipped", "its consumer had handled it before"),
    "superseded": ("skipped", "its work had ended before"),
    "failed": ("failed_again", None),
}
"""What a consumer reports → the state of the member, and why it was skipped."""


async def settle(tx: UnitOfWork, task_id: UUID | None, failure: int, outcome: str) -> None:
    """Record what came of a failure that a retry of many has returned; a repeat changes nothing."""
    if task_id is None or outcome not in OUTCOMES:
        return
    state, reason = OUTCOMES[outcome]
    await tx.execute(SETTLE_MEMBER, {"task_id": task_id, "failure": failure, "state": state, "reason": reason})

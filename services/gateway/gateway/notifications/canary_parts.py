"""The two notifications of a send to a few people first, as they are read."""

from typing import Any
from uuid import UUID

from shared.transactions.unit_of_work import UnitOfWork

# Select the second part of a send, by the task of either part.
SELECT_REST = """
SELECT p.task_id AS whole, p.school_id, s.notification_id AS rest, r.task_id AS rest_task, r.state AS rest_state
FROM task t JOIN task p ON p.task_id = t.parent_id AND p.kind = 'notification.canary'
JOIN task r ON r.parent_id = p.task_id
JOIN schedule_intent s ON s.schedule_id = r.task_id AND s.notification_id <> p.task_id
WHERE t.task_id = %(task)s
"""


async def parts_of(tx: UnitOfWork, task: UUID) -> dict[str, Any] | None:
    """Return both notifications of a send, by the task of either; None for one that has a single part."""
    row = await tx.row(SELECT_REST, {"task": task})
    if row is None:
        return None
    ids = {
        "task_id": row["whole"],
        "school_id": row["school_id"],
        "first": row["whole"],
        "rest": row["rest"],
        "rest_task_id": row["rest_task"],
    }
    return {name: str(each) for name, each in ids.items()} | {"rest_state": row["rest_state"]}

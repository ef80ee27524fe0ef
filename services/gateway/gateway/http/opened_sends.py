"""Opens the task of a send and asks the notifier for it, in the commit of what was decided."""

from uuid import UUID

from shared.events import NotificationRequested
from shared.events.notifications import SEND_TASK
from shared.transactions.unit_of_work import UnitOfWork

# Open the task of a send, and store which notification it is.
OPEN_TASK = """
WITH opened AS (
    INSERT INTO task (task_id, school_id, kind, state, created_by, parent_id)
    VALUES (%(task)s, %(school)s, %(kind)s, 'accepted', %(person)s, %(group)s)
)
INSERT INTO intent (notification_id, school_id, task_id) VALUES (%(notification)s, %(school)s, %(task)s)
"""


def open_send(tx: UnitOfWork, send: NotificationRequested) -> None:
    """Open the task of a send and ask the notifier for it, with the commit."""
    open_task(tx, send.task_id, send.notification_id, send.school_id, send.requested_by, send.group_id)
    tx.emit(send)


def open_task(
    tx: UnitOfWork, task: UUID, notification: UUID, school: UUID, person: UUID | None, group: UUID | None = None
) -> None:
    """Open the task of a send, which can be read from then on. `group`: the task that it is a part of."""
    ids = {"task": task, "notification": notification, "school": school, "person": person, "group": group}
    tx.write(OPEN_TASK, ids | {"kind": SEND_TASK})

"""Indexes that find the fees of a month by their state or their days, and its notifications without their rows."""

from alembic import op

revision = "reports_0010"
down_revision = "reports_0009"
branch_labels = None
depends_on = None

CONCURRENTLY = True
"""Payments can be millions, and the projection writes them."""

INDEXES = {
    "ix_payment_fact_open": """payment_fact (school_id, record_id, version DESC)
INCLUDE (log_offset, student_id, day, withdrawn, due_on, paid_on, status, currency, amount, method, discount)
WHERE status IN ('due', 'refunded')""",
    "ix_payment_fact_moved": """payment_fact
(school_id, (greatest(day, due_on, paid_on)), (least(day, due_on, paid_on))) WHERE status NOT IN ('due', 'refunded')""",
    "ix_notification_fact_school_id": """notification_fact (school_id, completed_at)
INCLUDE (notification_id, log_offset, sent, delivered)""",
}


def upgrade() -> None:
    for name, on in INDEXES.items():
        # The older one of its name, or what an interrupted build left.
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {on}")
    op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_payment_fact_newest")

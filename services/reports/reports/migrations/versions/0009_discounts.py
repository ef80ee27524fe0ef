"""Payments have a discount."""

from alembic import op

revision = "reports_0009"
down_revision = "reports_0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
ALTER TABLE payment_fact ADD COLUMN discount numeric;
DROP INDEX ix_payment_fact_newest;
CREATE INDEX ix_payment_fact_newest ON payment_fact (school_id, record_id, version DESC)
    INCLUDE (log_offset, student_id, status, method, amount, discount, currency, day, due_on, paid_on, withdrawn);
"""
    )

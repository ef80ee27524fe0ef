"""Indexes that pass over settled payments."""

from alembic import op

revision = "reports_0008"
down_revision = "reports_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
DROP INDEX ix_payment_fact_newest;
CREATE INDEX ix_payment_fact_newest ON payment_fact (school_id, record_id, version DESC)
    INCLUDE (log_offset, student_id, status, method, amount, currency, day, due_on, paid_on, withdrawn);
CREATE INDEX ix_payment_fact_corrections ON payment_fact (school_id, record_id, version, log_offset)
    WHERE version > 1;
CREATE INDEX ix_payment_fact_currency ON payment_fact (school_id, currency);
"""
    )

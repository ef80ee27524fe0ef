"""Grades have a state, payments a method; texts that come after an erasure are counted when they are removed."""

from alembic import op

revision = "reports_0007"
down_revision = "reports_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
ALTER TABLE grade_fact ADD COLUMN state text NOT NULL DEFAULT 'given';
ALTER TABLE payment_fact ADD COLUMN method text;
ALTER TABLE school_erasure ADD COLUMN emptied bigint NOT NULL DEFAULT 0;
"""
    )

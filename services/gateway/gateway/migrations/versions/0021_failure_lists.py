"""Lists of failures of one fault or one queue."""

from alembic import op

revision = "gateway_0021_failure_lists"
down_revision = "gateway_0020_operate"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
CREATE INDEX ix_failure_fingerprint ON failure (fingerprint, failure_id);
CREATE INDEX ix_failure_queue ON failure (queue, failure_id);
"""
    )

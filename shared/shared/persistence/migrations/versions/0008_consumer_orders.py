"""What operators ordered of consumers: to pause or resume a queue, to drain a worker."""

from alembic import op

revision = "shared_0008"
down_revision = "shared_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
CREATE TABLE consumer_order (
    target text CONSTRAINT pk_consumer_order PRIMARY KEY,
    "order" text NOT NULL CONSTRAINT ck_consumer_order_order CHECK ("order" IN ('pause', 'resume', 'drain')),
    reason text NOT NULL,
    ordered_by uuid,
    ordered_at timestamptz NOT NULL
);
CALL protect_for_workers('consumer_order');
"""
    )

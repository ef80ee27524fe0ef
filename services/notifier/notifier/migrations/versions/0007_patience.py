"""What is not held against a delivery is counted apart."""

from alembic import op

revision = "notifier_0007"
down_revision = "notifier_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
ALTER TABLE delivery ADD COLUMN patient integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN delivery.patient IS 'calls that are not held against it: throttled, or refused for our configuration';
COMMENT ON COLUMN delivery.released_at IS 'when quiet hours were to let it go, once they have';
"""
    )

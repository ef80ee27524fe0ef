"""A held delivery knows the time zone that it is held in: the zone is asked again when it is due."""

from alembic import op

revision = "notifier_0009"
down_revision = "notifier_0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
ALTER TABLE delivery ADD COLUMN held_zone text;
COMMENT ON COLUMN delivery.held_zone IS 'the time zone that quiet hours held it in';
"""
    )

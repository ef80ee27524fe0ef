"""What became of a dead letter: how often it died, and who gave it back when."""

from alembic import op

revision = "gateway_0010_failures"
down_revision = "gateway_0009_dates"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
ALTER TABLE failure ADD COLUMN deaths integer NOT NULL DEFAULT 1, ADD COLUMN given_back_at timestamptz,
    ADD COLUMN given_back_by uuid
"""
    )

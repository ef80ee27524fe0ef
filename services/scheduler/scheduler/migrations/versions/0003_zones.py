"""Schedules follow the timezone of their school."""

from alembic import op

revision = "scheduler_0003"
down_revision = "scheduler_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
-- The timezone that the schedules of a school are computed with: they follow when the school's is another one.
ALTER TABLE school ADD COLUMN zone_followed text;
UPDATE school SET zone_followed = timezone;
"""
    )

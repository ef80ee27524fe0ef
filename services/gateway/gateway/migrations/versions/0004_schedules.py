"""Schedules that were asked for here, so that they are somebody's before their owner has heard of them."""

from alembic import op

revision = "gateway_0004_schedules"
down_revision = "gateway_0003_directory"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
CREATE TABLE schedule_intent (
    schedule_id uuid CONSTRAINT pk_schedule_intent PRIMARY KEY,
    school_id uuid NOT NULL,
    notification_id uuid,
    created_by uuid,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CALL protect('schedule_intent');
"""
    )

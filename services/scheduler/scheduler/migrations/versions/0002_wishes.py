"""Decisions that came before their intent; occasions that are over, for rules that the school's calendar moves."""

from alembic import op

revision = "scheduler_0002"
down_revision = "scheduler_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
-- On a tombstone: the changes that were decided, when, and whether it is to run at once. The intent meets it.
ALTER TABLE schedule ADD COLUMN wish jsonb;
-- For a rule with `school_days_before`: the rule's own local time up to which its occasions are over. The calendar may
-- move the run of an occasion, never make it run again.
ALTER TABLE schedule ADD COLUMN over_until timestamp;
"""
    )

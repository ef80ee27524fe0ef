"""Leases on long tasks."""

from alembic import op

revision = "shared_0002"
down_revision = "shared_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
-- One row a long task of this service: who works on it, until when unless renewed, and whether it should stop.
-- `lease` fences: what its holder commits is filtered by it. A row that has ended before it began is a tombstone.
CREATE TABLE task_lease (
    task_id uuid CONSTRAINT pk_task_lease PRIMARY KEY,
    lease uuid,
    holder text,
    leased_until timestamptz NOT NULL DEFAULT '-infinity',
    attempts integer NOT NULL DEFAULT 0,
    permits integer NOT NULL DEFAULT 0,
    permitted_until timestamptz NOT NULL DEFAULT clock_timestamp() + interval '30 seconds',
    cancel_requested_at timestamptz,
    ended_at timestamptz
);
CREATE INDEX ix_task_lease_permitted_until ON task_lease (permitted_until) WHERE ended_at IS NULL;
"""
    )

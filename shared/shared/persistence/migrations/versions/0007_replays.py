"""Replays that a service was asked for."""

from alembic import op

revision = "shared_0007"
down_revision = "shared_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
-- What a replay was asked for; a lost permit is repeated from here.
CREATE TABLE replay (
    task_id uuid CONSTRAINT pk_replay PRIMARY KEY,
    request jsonb NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now()
);
CALL protect_for_workers('replay');
"""
    )

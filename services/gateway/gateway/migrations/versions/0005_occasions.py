"""What was last told of a record, so that a repeat tells nothing and a correction corrects."""

from alembic import op

revision = "gateway_0005_occasions"
down_revision = "gateway_0004_schedules"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
-- `said` is NULL as long as nothing was told. `digest` is of what it said: the words themselves are not kept here.
CREATE TABLE announcement (
    record_id uuid CONSTRAINT pk_announcement PRIMARY KEY,
    school_id uuid NOT NULL,
    version bigint NOT NULL,
    said text,
    digest bytea
);
CALL protect('announcement');
"""
    )

"""The outbox under forced row-level security too: requests leave rows, workers carry them."""

from alembic import op

revision = "shared_0005"
down_revision = "shared_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
DO $$
DECLARE service text := current_schema();
BEGIN
    ALTER TABLE outbox ENABLE ROW LEVEL SECURITY;
    ALTER TABLE outbox FORCE ROW LEVEL SECURITY;
    EXECUTE format('CREATE POLICY leave ON outbox FOR INSERT TO %I WITH CHECK (true)', service || '_app');
    EXECUTE format('CREATE POLICY carry ON outbox TO %I USING (true)', service || '_worker');
END $$;
"""
    )

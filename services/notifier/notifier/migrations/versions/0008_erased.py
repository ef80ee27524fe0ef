"""A person's event says whether they were erased."""

from alembic import op

revision = "notifier_0008"
down_revision = "notifier_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
ALTER TABLE person ADD COLUMN erased boolean;
COMMENT ON COLUMN person.erased IS 'as the newest event says; NULL where the version before wrote the row';
"""
    )

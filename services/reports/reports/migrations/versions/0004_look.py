"""A school's own look on its reports."""

from alembic import op

revision = "reports_0004"
down_revision = "reports_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
ALTER TABLE school_fact ADD COLUMN letterhead text NOT NULL DEFAULT '', ADD COLUMN color text, ADD COLUMN logo text;
"""
    )

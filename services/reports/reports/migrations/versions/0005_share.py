"""Versions of reports that may be shared."""

from alembic import op

revision = "reports_0005"
down_revision = "reports_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE report ADD COLUMN smallest_count integer")

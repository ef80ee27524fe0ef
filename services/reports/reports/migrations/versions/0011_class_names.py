"""Students have the names of their classes."""

from alembic import op

revision = "reports_0011"
down_revision = "reports_0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE student_fact ADD COLUMN class_names text[] NOT NULL DEFAULT '{}'")

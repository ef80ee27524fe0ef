"""Progress reports of a whole grade."""

from alembic import op

revision = "reports_0003"
down_revision = "reports_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
ALTER TABLE report ADD COLUMN grade text;
ALTER TABLE report DROP CONSTRAINT ck_report_kind;
ALTER TABLE report ADD CONSTRAINT ck_report_kind
    CHECK (kind IN ('monthly', 'student_progress', 'grade_progress'));
"""
    )

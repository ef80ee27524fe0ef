"""Memberships and enrolments begin and end at their school's midnight; those of students that end are found quickly."""

from alembic import op

revision = "gateway_0009_dates"
down_revision = "gateway_0008_lists"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
CREATE FUNCTION school_today(of_school uuid) RETURNS date LANGUAGE sql STABLE AS $$
    SELECT (statement_timestamp() AT TIME ZONE s.timezone)::date FROM school s WHERE s.school_id = of_school
$$;
COMMENT ON FUNCTION school_today IS 'the date by the clock on the school''s wall';
CREATE INDEX ix_membership_ends ON membership (ends) WHERE role = 'student' AND ends IS NOT NULL;
"""
    )

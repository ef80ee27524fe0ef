"""A school's own date; windows of what has ended are gone."""

from alembic import op

revision = "notifier_0006"
down_revision = "notifier_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
-- The date by the clock on the school's wall. An unknown zone is read as UTC.
CREATE FUNCTION school_today(of_school uuid) RETURNS date LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce((SELECT (statement_timestamp() AT TIME ZONE s.timezone)::date FROM school s
                      WHERE s.school_id = of_school), (statement_timestamp() AT TIME ZONE 'UTC')::date);
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN (statement_timestamp() AT TIME ZONE 'UTC')::date;
END $$;

-- Not forced for a moment: rows are their schools' for everybody else, the owner included.
ALTER TABLE notification NO FORCE ROW LEVEL SECURITY;
ALTER TABLE release NO FORCE ROW LEVEL SECURITY;
DELETE FROM release r USING notification n
    WHERE n.notification_id = r.notification_id AND n.completed_at IS NOT NULL;
ALTER TABLE release FORCE ROW LEVEL SECURITY;
ALTER TABLE notification FORCE ROW LEVEL SECURITY;
"""
    )

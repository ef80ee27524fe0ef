"""Periodic tasks may delete acts of the audit that are a year old. Nothing else deletes or changes any."""

from alembic import op

revision = "gateway_0022_audit_days"
down_revision = "gateway_0021_failure_lists"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
DROP TRIGGER append_only ON audit;
CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER keep_a_year BEFORE DELETE ON audit
    FOR EACH ROW WHEN (old.at > clock_timestamp() - interval '365 days' OR current_user <> 'gateway_worker')
    EXECUTE FUNCTION refuse_change();
"""
    )

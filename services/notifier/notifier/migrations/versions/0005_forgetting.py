"""What is left of people who were erased is found quickly, and once."""

from alembic import op

revision = "notifier_0005"
down_revision = "notifier_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
-- People whose words and addresses have been taken out of everything here.
CREATE TABLE forgotten (
    person_id uuid CONSTRAINT pk_forgotten PRIMARY KEY,
    forgotten_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
ALTER TABLE forgotten ENABLE ROW LEVEL SECURITY;
ALTER TABLE forgotten FORCE ROW LEVEL SECURITY;
CREATE POLICY every_school ON forgotten TO notifier_worker USING (true);
CREATE INDEX ix_notification_students ON notification USING gin ((audience -> 'students'))
    WHERE jsonb_typeof(audience -> 'students') = 'array';
"""
    )

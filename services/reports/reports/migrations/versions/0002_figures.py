"""Indexes that hold what a month's figures need, in the order in which they are read; memberships know their offset."""

from alembic import op

revision = "reports_0002"
down_revision = "reports_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
ALTER TABLE membership_fact ADD COLUMN log_offset bigint;
UPDATE membership_fact m SET log_offset = p.log_offset
FROM person_fact p WHERE p.person_id = m.person_id AND p.version = m.version;
ALTER TABLE membership_fact ALTER COLUMN log_offset SET NOT NULL;

CREATE INDEX ix_student_fact_newest ON student_fact (school_id, student_id, version DESC)
    INCLUDE (log_offset, changed_at, grade, active);
CREATE INDEX ix_membership_fact_newest ON membership_fact (school_id, person_id, version DESC)
    INCLUDE (log_offset, starts, ends);
CREATE INDEX ix_person_fact_newest ON person_fact (person_id, version DESC)
    INCLUDE (log_offset, given_name, family_name);
CREATE INDEX ix_payment_fact_newest ON payment_fact (school_id, record_id, version DESC)
    INCLUDE (log_offset, student_id, status, amount, currency, day, due_on, paid_on, withdrawn);
CREATE INDEX ix_behavior_fact_corrections ON behavior_fact (school_id, record_id, version, log_offset)
    WHERE version > 1;
CREATE INDEX ix_absence_fact_corrections ON absence_fact (school_id, record_id, version, log_offset)
    WHERE version > 1;
DROP INDEX ix_read_fact_school_id;
CREATE INDEX ix_read_fact_school_id ON read_fact (school_id, read_at) INCLUDE (log_offset);
"""
    )

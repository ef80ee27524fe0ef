"""Stored reports know how many erasures of their school they were drawn after."""

from alembic import op

revision = "reports_0006"
down_revision = "reports_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
ALTER TABLE report ADD COLUMN erased bigint NOT NULL DEFAULT 0;
CREATE TABLE school_erasure (
    school_id uuid CONSTRAINT pk_school_erasure PRIMARY KEY,
    erased bigint NOT NULL
);
CALL protect('school_erasure');
CREATE INDEX ix_person_fact_erased ON person_fact (person_id) WHERE erased;
"""
    )

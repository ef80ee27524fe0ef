"""Sends that wait for a second person, and the size above which a school wants one."""

from alembic import op

revision = "gateway_0023_approval"
down_revision = "gateway_0022_audit_days"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
ALTER TABLE school ADD COLUMN approval_above integer CONSTRAINT ck_school_approval_above CHECK (approval_above > 0);

-- The send itself is kept only while it waits.
CREATE TABLE held_send (
    approval_id uuid CONSTRAINT pk_held_send PRIMARY KEY,
    school_id uuid NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CONSTRAINT ck_held_send_state
        CHECK (state IN ('waiting', 'approved', 'refused', 'lapsed')),
    command jsonb,
    people integer,
    above integer NOT NULL,
    requested_by uuid,
    role text NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    decided_by uuid,
    decided_at timestamptz,
    reason text,
    notification_id uuid,
    schedule_id uuid,
    CONSTRAINT ck_held_send_command CHECK ((state = 'waiting') = (command IS NOT NULL))
);
CREATE INDEX ix_held_send_school_id ON held_send (school_id, approval_id);
CREATE INDEX ix_held_send_requested_at ON held_send (requested_at);
CALL protect('held_send');
"""
    )

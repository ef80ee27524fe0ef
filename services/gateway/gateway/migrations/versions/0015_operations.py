"""Failures in groups, retries of many, discards."""

from alembic import op

revision = "gateway_0015_operations"
down_revision = "gateway_0014_identity"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
ALTER TABLE failure ADD COLUMN opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ADD COLUMN resolved_at timestamptz, ADD COLUMN discarded_at timestamptz,
    ADD COLUMN discarded_by uuid, ADD COLUMN discard_reason text;
-- A group is counted from this index alone.
CREATE INDEX ix_failure_open ON failure (queue, fingerprint, failure_id)
    INCLUDE (first_failed, last_failed, opened_at, school_id, type)
    WHERE given_back_at IS NULL AND discarded_at IS NULL;
CREATE INDEX ix_failure_school_id ON failure (school_id, failure_id);
CREATE INDEX ix_failure_closed_at ON failure (coalesce(resolved_at, discarded_at))
    WHERE coalesce(resolved_at, discarded_at) IS NOT NULL;

-- A retry of many failures, which grows in waves and halts for each fault that returns.
CREATE TABLE failure_retry (
    task_id uuid CONSTRAINT pk_failure_retry PRIMARY KEY,
    requested_by uuid,
    wave integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz
);
CREATE INDEX ix_failure_retry_open ON failure_retry (task_id) WHERE ended_at IS NULL;
CREATE TABLE failure_retry_member (
    task_id uuid CONSTRAINT fk_failure_retry_member_task_id_failure_retry REFERENCES failure_retry ON DELETE CASCADE,
    failure_id bigint,
    queue text NOT NULL,
    fingerprint text NOT NULL,
    place bigint NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CONSTRAINT ck_failure_retry_member_state
        CHECK (state IN ('waiting', 'sent', 'retried', 'skipped', 'failed_again', 'halted', 'cancelled')),
    reason text,
    CONSTRAINT pk_failure_retry_member PRIMARY KEY (task_id, failure_id)
);
-- A failure is in one running retry at most.
CREATE UNIQUE INDEX uq_failure_retry_member_running ON failure_retry_member (failure_id)
    WHERE state IN ('waiting', 'sent');
CREATE INDEX ix_failure_retry_member_waiting ON failure_retry_member (task_id, place) WHERE state = 'waiting';
CREATE INDEX ix_failure_retry_member_state ON failure_retry_member (task_id, state);
CALL for_workers('failure_retry');
CALL for_workers('failure_retry_member');
"""
    )

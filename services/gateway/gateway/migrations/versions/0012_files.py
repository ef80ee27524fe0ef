"""Uploads: known here from their first byte on, so that a file has an owner before the file service knows it."""

from alembic import op

revision = "gateway_0012_files"
down_revision = "gateway_0011_current"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
-- `receiving` under a lease: the blob is being stored. Only rows whose lease has expired are abandoned and removed.
CREATE TABLE upload (
    file_id uuid CONSTRAINT pk_upload PRIMARY KEY,
    school_id uuid NOT NULL,
    student_id uuid,
    kind text NOT NULL CONSTRAINT ck_upload_kind
        CHECK (kind IN ('transcript', 'behavior_report', 'payment_receipt', 'other')),
    state text NOT NULL DEFAULT 'receiving' CONSTRAINT ck_upload_state
        CHECK (state IN ('receiving', 'stored', 'abandoned')),
    leased_until timestamptz NOT NULL,
    size bigint NOT NULL,
    sha256 text NOT NULL,
    duplicate_of uuid,
    task_id uuid NOT NULL,
    uploaded_by uuid,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    deleted_at timestamptz,
    version bigint NOT NULL DEFAULT 0
);
CREATE INDEX ix_upload_sha256 ON upload (school_id, sha256, file_id);
CREATE INDEX ix_upload_leased_until ON upload (leased_until) WHERE state <> 'stored';
CREATE INDEX ix_upload_space ON upload (school_id) INCLUDE (size) WHERE deleted_at IS NULL;
CALL protect('upload');

-- A receipt is one payment; one that is divided among siblings is a payment of each, the others with a number.
DROP INDEX uq_record_payment_file;
CREATE UNIQUE INDEX uq_record_payment_file ON record ((facts ->> 'file_id'), coalesce(facts ->> 'file_part', ''))
    WHERE kind = 'payment' AND NOT withdrawn AND facts ->> 'file_id' IS NOT NULL;
"""
    )

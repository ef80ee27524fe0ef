"""Imports at size: uploads in parts, roles by their row, students that are still to be told of, ids made in SQL."""

from alembic import op

revision = "gateway_0007_roster"
down_revision = "gateway_0006_access"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
-- The row of roles.csv (OneRoster 1.2) that a membership comes from: changes-only uploads end it by this.
ALTER TABLE membership ADD sourced_id text;
CREATE INDEX ix_membership_sourced_id ON membership (sourced_id) WHERE sourced_id IS NOT NULL;

-- An import writes students chunk by chunk and tells of each once, when grade, guardians and classes are all there.
ALTER TABLE student ADD told boolean NOT NULL DEFAULT true;
CREATE INDEX ix_student_untold ON student (school_id, student_id) WHERE NOT told;

CREATE TABLE import_part (
    task_id uuid NOT NULL CONSTRAINT fk_import_part_job REFERENCES import_job,
    number integer NOT NULL,
    content bytea NOT NULL,
    CONSTRAINT pk_import_part PRIMARY KEY (task_id, number)
);
ALTER TABLE import_part ALTER content SET STORAGE EXTERNAL;
CALL for_workers('import_part');

-- UUIDv7 (RFC 9562 section 5.7) with milliseconds, for events that are made in SQL.
CREATE FUNCTION uuid7() RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
        PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
        52, 1), 53, 1), 'hex')::uuid
$$;
"""
    )

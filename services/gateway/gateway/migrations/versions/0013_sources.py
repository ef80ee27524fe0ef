"""Rosters: ids belong to the system that they come from, what a school says outlives them, and endings may wait."""

from alembic import op

revision = "gateway_0013_sources"
down_revision = "gateway_0012_files"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
-- Two systems may use one id for two people. '' is the source of rows that were added by hand or before this revision.
ALTER TABLE person ADD source text NOT NULL DEFAULT '', ADD signs_in boolean NOT NULL DEFAULT true,
    DROP CONSTRAINT uq_person_sourced_id, ADD CONSTRAINT uq_person_sourced_id UNIQUE (sourced_id, source);
ALTER TABLE school ADD source text NOT NULL DEFAULT '';
ALTER TABLE school_class ADD source text NOT NULL DEFAULT '',
    DROP CONSTRAINT uq_school_class_sourced_id,
    ADD CONSTRAINT uq_school_class_sourced_id UNIQUE (sourced_id, source);
ALTER TABLE term ADD source text NOT NULL DEFAULT '', DROP CONSTRAINT uq_term_sourced_id,
    ADD CONSTRAINT uq_term_sourced_id UNIQUE (school_id, sourced_id, source);

-- What a school said about a guardian: it holds again when a roster drops the relation and brings it back.
CREATE TABLE guardian_choice (
    school_id uuid NOT NULL,
    student_id uuid NOT NULL,
    guardian_id uuid NOT NULL CONSTRAINT fk_guardian_choice_guardian REFERENCES person,
    guardian boolean NOT NULL,
    added boolean NOT NULL,
    custody boolean NOT NULL,
    billing boolean NOT NULL,
    emergency boolean NOT NULL,
    rank smallint NOT NULL,
    CONSTRAINT pk_guardian_choice PRIMARY KEY (school_id, student_id, guardian_id),
    CONSTRAINT fk_guardian_choice_student FOREIGN KEY (school_id, student_id) REFERENCES student
);
INSERT INTO guardian_choice (school_id, student_id, guardian_id, guardian, added, custody, billing, emergency, rank)
SELECT school_id, student_id, guardian_id, true, false, custody, billing, emergency, rank FROM guardianship
WHERE (custody, billing, emergency) <> (relationship <> 'relative', relationship <> 'relative', true);
CALL protect('guardian_choice');

-- One installation of an app is one device, whatever its token is now.
DELETE FROM device d USING device o WHERE d.fid = o.fid AND (d.registered_at, d.token) < (o.registered_at, o.token);
CREATE INDEX ix_device_fid ON device (fid) WHERE fid IS NOT NULL;

-- An import that would end many people waits until an administrator confirms it.
ALTER TABLE import_job ADD source text NOT NULL DEFAULT '', ADD dry_run boolean NOT NULL DEFAULT false,
    ADD waiting boolean NOT NULL DEFAULT false, ADD confirmed boolean NOT NULL DEFAULT false;
"""
    )

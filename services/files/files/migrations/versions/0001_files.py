"""Files, their readings, and the copy of the directory that people are matched against."""

from alembic import op

revision = "files_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
-- One row a file. `version` rises with every change and is the ETag.
CREATE TABLE file (
    file_id uuid CONSTRAINT pk_file PRIMARY KEY,
    school_id uuid NOT NULL,
    kind text NOT NULL,
    state text NOT NULL DEFAULT 'stored' CONSTRAINT ck_file_state
        CHECK (state IN ('stored', 'processed', 'refused', 'needs_review', 'confirmed')),
    version bigint NOT NULL DEFAULT 1,
    name text NOT NULL,
    media_type text NOT NULL,
    size bigint NOT NULL,
    sha256 text NOT NULL,
    duplicate_of uuid,
    student_id uuid,
    named_student_id uuid,
    uploaded_by uuid,
    uploader_role text,
    uploaded_at timestamptz NOT NULL,
    directory_version bigint NOT NULL DEFAULT 0,
    task_id uuid NOT NULL,
    revision integer NOT NULL DEFAULT 0,
    code text,
    message text,
    reasons text[] NOT NULL DEFAULT '{}',
    similar_to uuid,
    pages integer,
    thumbnails text[] NOT NULL DEFAULT '{}',
    records jsonb,
    fingerprint text,
    confirmed_by uuid,
    confirmed_at timestamptz,
    deleted_by uuid,
    deleted_at timestamptz,
    purging_at timestamptz,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ix_file_school_id ON file (school_id, file_id);
CREATE INDEX ix_file_task_id ON file (task_id);
CREATE INDEX ix_file_fingerprint ON file (school_id, fingerprint) WHERE fingerprint IS NOT NULL;
CREATE INDEX ix_file_deleted_at ON file (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE reading (
    file_id uuid NOT NULL CONSTRAINT fk_reading_file REFERENCES file ON DELETE CASCADE,
    revision integer NOT NULL,
    school_id uuid NOT NULL,
    media_type text NOT NULL,
    fields jsonb NOT NULL,
    rows jsonb NOT NULL,
    notices text[] NOT NULL DEFAULT '{}',
    read_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_reading PRIMARY KEY (file_id, revision)
);

-- A deletion that came before its upload.
CREATE TABLE tombstone (
    file_id uuid CONSTRAINT pk_tombstone PRIMARY KEY,
    school_id uuid NOT NULL,
    deleted_by uuid,
    deleted_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE school (
    school_id uuid CONSTRAINT pk_school PRIMARY KEY,
    timezone text NOT NULL,
    language text NOT NULL,
    version bigint NOT NULL
);
CREATE TABLE person (
    person_id uuid CONSTRAINT pk_person PRIMARY KEY,
    given_name text,
    family_name text,
    version bigint NOT NULL
);
CREATE TABLE student (
    school_id uuid NOT NULL,
    student_id uuid NOT NULL,
    grade text,
    active boolean NOT NULL,
    classes uuid[] NOT NULL DEFAULT '{}',
    version bigint NOT NULL,
    CONSTRAINT pk_student PRIMARY KEY (school_id, student_id)
);
CREATE INDEX ix_student_classes ON student USING gin (classes);

CALL protect('file');
CALL protect('reading');
CALL protect('tombstone');
CALL protect('school');
CALL protect('student');
-- People belong to the group; only the matching of workers reads their names.
CALL protect_for_workers('person');
"""
    )

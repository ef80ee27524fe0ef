"""Tasks, imports, workers, failures, idempotency keys."""

from alembic import op

revision = "gateway_0002"
down_revision = "gateway_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
-- What was asked for and how far it is. The row is written with the intent; task.changed moves it on.
-- `subject` is what the task is about, e.g. the notification.
CREATE TABLE task (
    id uuid CONSTRAINT pk_task PRIMARY KEY,
    school_id uuid,
    kind text NOT NULL,
    state text NOT NULL,
    epoch integer NOT NULL DEFAULT 1,
    version bigint NOT NULL DEFAULT 0,
    done bigint NOT NULL DEFAULT 0,
    total bigint NOT NULL DEFAULT 0,
    result jsonb,
    error text,
    subject uuid,
    requested_by uuid,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 80);
CREATE INDEX ix_task_school ON task (school_id, id DESC);
CREATE INDEX ix_task_subject ON task (subject) WHERE subject IS NOT NULL;
CALL protect('task');

-- One row per key and caller. Whole-group requests have no school.
CREATE TABLE idempotency_key (
    school_id uuid,
    caller text NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    response jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT uq_idempotency_key UNIQUE NULLS NOT DISTINCT (school_id, caller, key)
);
CREATE INDEX ix_idempotency_key_created_at ON idempotency_key USING brin (created_at);
CALL protect('idempotency_key');

-- A roster on its way in. `school_id` is the only school that it may touch; NULL: the whole group.
-- stage and position say which chunk comes next: a job that is taken up again skips what is committed.
CREATE TABLE import_job (
    task_id uuid CONSTRAINT pk_import_job PRIMARY KEY,
    school_id uuid,
    requested_by uuid,
    state text NOT NULL DEFAULT 'waiting'
        CONSTRAINT ck_import_job_state CHECK (state IN ('waiting', 'running', 'done', 'failed')),
    stage integer NOT NULL DEFAULT 0,
    position integer NOT NULL DEFAULT 0,
    counts jsonb NOT NULL DEFAULT '{}',
    attempts integer NOT NULL DEFAULT 0,
    lease uuid,
    leased_until timestamptz NOT NULL DEFAULT '-infinity',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ix_import_job_open ON import_job (created_at) WHERE state IN ('waiting', 'running');
CALL for_workers('import_job');

-- The uploaded zip, in parts, until the job has ended.
CREATE TABLE import_part (
    task_id uuid NOT NULL CONSTRAINT fk_import_part_job REFERENCES import_job ON DELETE CASCADE,
    number integer NOT NULL,
    content bytea NOT NULL,
    CONSTRAINT pk_import_part PRIMARY KEY (task_id, number)
);
ALTER TABLE import_part ALTER COLUMN content SET STORAGE EXTERNAL;
CALL for_workers('import_part');

-- Which rows of an upload were left out, and why. Who may see them is decided by the task's school.
CREATE TABLE import_rejection (
    task_id uuid NOT NULL CONSTRAINT fk_import_rejection_job REFERENCES import_job ON DELETE CASCADE,
    number integer NOT NULL,
    file text NOT NULL,
    line integer,
    field text NOT NULL,
    reason text NOT NULL,
    scope text NOT NULL,
    CONSTRAINT pk_import_rejection PRIMARY KEY (task_id, number)
);
CALL for_workers('import_rejection');

-- What an upload says, before it is compared with what is there. Not logged: a crash empties them, the zip is still
-- there and they are filled again.
CREATE UNLOGGED TABLE import_person (
    task_id uuid NOT NULL,
    number integer NOT NULL,
    new_id uuid NOT NULL,
    sourced_id text NOT NULL,
    given_name text NOT NULL,
    family_name text NOT NULL,
    mail text,
    phone text,
    sms text,
    grade text,
    active boolean NOT NULL,
    gone boolean NOT NULL,
    CONSTRAINT pk_import_person PRIMARY KEY (task_id, number)
);
CREATE INDEX ix_import_person_sourced_id ON import_person (task_id, sourced_id);
CALL for_workers('import_person');

CREATE UNLOGGED TABLE import_membership (
    task_id uuid NOT NULL,
    number integer NOT NULL,
    person text NOT NULL,
    school text NOT NULL,
    role text NOT NULL,
    source_role text NOT NULL,
    starts date,
    ends date,
    sourced_id text,
    gone boolean NOT NULL
);
CREATE INDEX ix_import_membership_number ON import_membership (task_id, number);
CREATE INDEX ix_import_membership_person ON import_membership (task_id, person);
CALL for_workers('import_membership');

CREATE UNLOGGED TABLE import_guardianship (
    task_id uuid NOT NULL,
    student text NOT NULL,
    guardian text NOT NULL
);
CREATE INDEX ix_import_guardianship_student ON import_guardianship (task_id, student);
CALL for_workers('import_guardianship');

CREATE UNLOGGED TABLE import_enrolment (
    task_id uuid NOT NULL,
    number integer NOT NULL,
    new_id uuid NOT NULL,
    sourced_id text NOT NULL,
    class text NOT NULL,
    person text NOT NULL,
    role text NOT NULL,
    leads boolean NOT NULL,
    begins date,
    ends date,
    gone boolean NOT NULL,
    CONSTRAINT pk_import_enrolment PRIMARY KEY (task_id, number)
);
CREATE INDEX ix_import_enrolment_sourced_id ON import_enrolment (task_id, sourced_id);
CALL for_workers('import_enrolment');

CREATE TABLE worker (
    name text CONSTRAINT pk_worker PRIMARY KEY,
    service text NOT NULL,
    host text NOT NULL,
    version text NOT NULL,
    started_at timestamptz NOT NULL,
    beat_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    every_seconds double precision NOT NULL,
    in_flight bigint NOT NULL,
    handled bigint NOT NULL,
    load double precision NOT NULL,
    memory_bytes bigint NOT NULL
) WITH (fillfactor = 50);
CALL for_workers('worker');

-- Dead letters, as they came: personal fields in `body` are still sealed. The digest makes a redelivery harmless.
CREATE TABLE failure (
    id uuid CONSTRAINT pk_failure PRIMARY KEY,
    digest bytea NOT NULL CONSTRAINT uq_failure_digest UNIQUE,
    service text NOT NULL,
    queue text NOT NULL,
    fingerprint text NOT NULL,
    error text NOT NULL,
    attempts integer NOT NULL,
    message_id uuid,
    topic text,
    school_id uuid,
    task_id uuid,
    first_failed timestamptz,
    last_failed timestamptz,
    headers json NOT NULL,
    body bytea NOT NULL,
    state text NOT NULL DEFAULT 'open'
        CONSTRAINT ck_failure_state CHECK (state IN ('open', 'retried', 'discarded')),
    received_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ix_failure_group ON failure (service, queue, fingerprint) WHERE state = 'open';
CALL for_workers('failure');
"""
    )

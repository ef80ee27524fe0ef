"""The directory's rows of record, tasks, workers, failures, intents and imports."""

from alembic import op

revision = "gateway_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
CREATE TABLE school (
    school_id uuid CONSTRAINT pk_school PRIMARY KEY,
    sourced_id text CONSTRAINT uq_school_sourced_id UNIQUE,
    name text NOT NULL,
    timezone text NOT NULL,
    language text NOT NULL DEFAULT 'en',
    active boolean NOT NULL DEFAULT true,
    mute_details boolean NOT NULL DEFAULT true,
    version bigint NOT NULL DEFAULT 1,
    directory_version bigint NOT NULL DEFAULT 0
);
-- A person belongs to the group; `digest` is of what the roster last said, so that a repeat changes nothing.
CREATE TABLE person (
    person_id uuid CONSTRAINT pk_person PRIMARY KEY,
    sourced_id text CONSTRAINT uq_person_sourced_id UNIQUE,
    given_name text NOT NULL,
    family_name text NOT NULL,
    language text,
    timezone text,
    active boolean NOT NULL DEFAULT true,
    digest bytea,
    version bigint NOT NULL DEFAULT 1
);
CREATE TABLE membership (
    person_id uuid NOT NULL CONSTRAINT fk_membership_person REFERENCES person,
    school_id uuid NOT NULL CONSTRAINT fk_membership_school REFERENCES school,
    role text NOT NULL,
    grade text,
    starts date,
    ends date,
    CONSTRAINT pk_membership PRIMARY KEY (person_id, school_id, role)
);
CREATE INDEX ix_membership_school_id ON membership (school_id, role, person_id);
CREATE TABLE contact (
    person_id uuid NOT NULL CONSTRAINT fk_contact_person REFERENCES person,
    kind text NOT NULL,
    address text NOT NULL,
    CONSTRAINT pk_contact PRIMARY KEY (person_id, kind, address)
);
CREATE TABLE device (
    token text CONSTRAINT pk_device PRIMARY KEY,
    person_id uuid NOT NULL CONSTRAINT fk_device_person REFERENCES person,
    fid text,
    platform text NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ix_device_person_id ON device (person_id);
CREATE TABLE preference (
    person_id uuid NOT NULL CONSTRAINT fk_preference_person REFERENCES person,
    kind text NOT NULL,
    channel text NOT NULL,
    wanted boolean NOT NULL,
    CONSTRAINT pk_preference PRIMARY KEY (person_id, kind, channel)
);
CREATE TABLE student (
    school_id uuid NOT NULL CONSTRAINT fk_student_school REFERENCES school,
    student_id uuid NOT NULL CONSTRAINT fk_student_person REFERENCES person,
    grade text,
    active boolean NOT NULL DEFAULT true,
    digest bytea,
    version bigint NOT NULL DEFAULT 1,
    CONSTRAINT pk_student PRIMARY KEY (school_id, student_id)
);
CREATE TABLE guardianship (
    school_id uuid NOT NULL,
    student_id uuid NOT NULL,
    guardian_id uuid NOT NULL CONSTRAINT fk_guardianship_person REFERENCES person,
    relationship text NOT NULL DEFAULT 'guardian',
    custody boolean NOT NULL DEFAULT true,
    billing boolean NOT NULL DEFAULT true,
    emergency boolean NOT NULL DEFAULT true,
    CONSTRAINT pk_guardianship PRIMARY KEY (school_id, student_id, guardian_id),
    CONSTRAINT fk_guardianship_student FOREIGN KEY (school_id, student_id) REFERENCES student
);

CREATE TABLE task (
    task_id uuid CONSTRAINT pk_task PRIMARY KEY,
    school_id uuid,
    kind text NOT NULL,
    state text NOT NULL,
    epoch integer NOT NULL DEFAULT 1,
    version integer NOT NULL DEFAULT 0,
    done bigint NOT NULL DEFAULT 0,
    total bigint NOT NULL DEFAULT 0,
    result jsonb,
    error text,
    created_by uuid,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ix_task_school_id ON task (school_id, task_id);
CREATE TABLE intent (
    notification_id uuid CONSTRAINT pk_intent PRIMARY KEY,
    school_id uuid NOT NULL,
    task_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE idempotency_key (
    school_id uuid NOT NULL,
    asker text NOT NULL,
    key text NOT NULL,
    request bytea NOT NULL,
    answer jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_idempotency_key PRIMARY KEY (school_id, asker, key)
);
CREATE TABLE import_job (
    task_id uuid CONSTRAINT pk_import_job PRIMARY KEY,
    content bytea,
    leased_until timestamptz NOT NULL DEFAULT '-infinity',
    lease uuid,
    finished_at timestamptz,
    attempts integer NOT NULL DEFAULT 0
);
CREATE TABLE import_rejection (
    task_id uuid NOT NULL CONSTRAINT fk_import_rejection_job REFERENCES import_job,
    number integer NOT NULL,
    file text NOT NULL,
    line integer NOT NULL,
    "column" text NOT NULL,
    reason text NOT NULL,
    scope text NOT NULL,
    CONSTRAINT pk_import_rejection PRIMARY KEY (task_id, number)
);
CREATE TABLE worker (
    worker text CONSTRAINT pk_worker PRIMARY KEY,
    service text NOT NULL,
    facts jsonb NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE failure (
    failure_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_failure PRIMARY KEY,
    school_id uuid,
    message_id text,
    queue text NOT NULL,
    type text,
    error text NOT NULL,
    fingerprint text NOT NULL,
    attempts integer NOT NULL,
    first_failed timestamptz NOT NULL,
    last_failed timestamptz NOT NULL,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    CONSTRAINT uq_failure UNIQUE (message_id, queue, attempts)
);

CALL protect('membership');
CALL protect('student');
CALL protect('guardianship');
CALL protect('school');
CALL protect('task');
CALL protect('intent');
CALL protect('idempotency_key');
CALL protect('failure');

-- People belong to the group: a request sees those who are members of its school.
CREATE PROCEDURE protect_person(person_table text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', person_table);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', person_table);
    EXECUTE format('CREATE POLICY members ON %I TO gateway_app USING (EXISTS (SELECT FROM membership m
        WHERE m.person_id = %I.person_id AND m.school_id = (SELECT bound_school())))', person_table, person_table);
    EXECUTE format('CREATE POLICY everybody ON %I TO gateway_worker USING (true)', person_table);
END $$;
CALL protect_person('person');
CALL protect_person('contact');
CALL protect_person('device');
CALL protect_person('preference');

-- Only workers touch these.
CREATE PROCEDURE for_workers(worker_table text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', worker_table);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', worker_table);
    EXECUTE format('CREATE POLICY workers ON %I TO gateway_worker USING (true)', worker_table);
END $$;
CALL for_workers('import_job');
CALL for_workers('import_rejection');
CALL for_workers('worker');
"""
    )

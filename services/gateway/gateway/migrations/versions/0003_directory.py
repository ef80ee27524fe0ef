"""The directory in full: settings, calendars, quiet hours, ranks, classes; records of students; parents of tasks."""

from alembic import op

revision = "gateway_0003_directory"
down_revision = "gateway_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
ALTER TABLE school
    ADD announces text[] NOT NULL DEFAULT '{}',
    ADD quiet_starts time,
    ADD quiet_ends time,
    ADD digest_at time NOT NULL DEFAULT '07:00',
    ADD office uuid[] NOT NULL DEFAULT '{}',
    ADD CONSTRAINT ck_school_quiet CHECK ((quiet_starts IS NULL) = (quiet_ends IS NULL));
ALTER TABLE person
    ADD quiet_starts time,
    ADD quiet_ends time,
    ADD erased_at timestamptz,
    ADD CONSTRAINT ck_person_quiet CHECK ((quiet_starts IS NULL) = (quiet_ends IS NULL));
-- Who is asked first. `custody`, `billing` and `emergency` are there since the first revision.
ALTER TABLE guardianship ADD rank smallint NOT NULL DEFAULT 1;
CREATE INDEX ix_guardianship_guardian_id ON guardianship (guardian_id, school_id);
CREATE INDEX ix_membership_school_id_person_id ON membership (school_id, person_id);
CREATE INDEX ix_student_school_id_grade ON student (school_id, grade, student_id);

-- School days, terms and closures have one version, because they are told together.
CREATE TABLE calendar (
    school_id uuid CONSTRAINT pk_calendar PRIMARY KEY CONSTRAINT fk_calendar_school REFERENCES school,
    weekdays smallint[] NOT NULL DEFAULT '{1,2,3,4,5}',
    version bigint NOT NULL DEFAULT 1
);
-- `ends` is the last day here and in closures.
CREATE TABLE term (
    term_id uuid CONSTRAINT pk_term PRIMARY KEY,
    school_id uuid NOT NULL CONSTRAINT fk_term_calendar REFERENCES calendar,
    sourced_id text,
    name text NOT NULL,
    kind text NOT NULL DEFAULT 'term',
    starts date NOT NULL,
    ends date NOT NULL,
    CONSTRAINT uq_term_sourced_id UNIQUE (school_id, sourced_id),
    CONSTRAINT ck_term_ends CHECK (ends >= starts),
    CONSTRAINT ck_term_kind CHECK (kind IN ('term', 'semester', 'gradingPeriod', 'schoolYear'))
);
CREATE TABLE closure (
    closure_id uuid CONSTRAINT pk_closure PRIMARY KEY,
    school_id uuid NOT NULL CONSTRAINT fk_closure_calendar REFERENCES calendar,
    name text NOT NULL,
    starts date NOT NULL,
    ends date NOT NULL,
    CONSTRAINT ck_closure_ends CHECK (ends >= starts)
);
CREATE INDEX ix_closure_school_id ON closure (school_id, starts);

CREATE TABLE school_class (
    class_id uuid CONSTRAINT pk_school_class PRIMARY KEY,
    school_id uuid NOT NULL CONSTRAINT fk_school_class_school REFERENCES school,
    sourced_id text CONSTRAINT uq_school_class_sourced_id UNIQUE,
    title text NOT NULL,
    code text,
    kind text NOT NULL DEFAULT 'scheduled',
    grades text[] NOT NULL DEFAULT '{}',
    active boolean NOT NULL DEFAULT true,
    digest bytea,
    version bigint NOT NULL DEFAULT 1,
    CONSTRAINT ck_school_class_kind CHECK (kind IN ('homeroom', 'scheduled'))
);
CREATE INDEX ix_school_class_school_id ON school_class (school_id, class_id);
-- `lapsed` is set with the event that tells that it is over, so that what was told and what holds are the same.
CREATE TABLE enrolment (
    class_id uuid NOT NULL CONSTRAINT fk_enrolment_school_class REFERENCES school_class,
    person_id uuid NOT NULL CONSTRAINT fk_enrolment_person REFERENCES person,
    role text NOT NULL,
    school_id uuid NOT NULL,
    sourced_id text,
    leads boolean NOT NULL DEFAULT false,
    starts date,
    ends date,
    lapsed boolean NOT NULL DEFAULT false,
    CONSTRAINT pk_enrolment PRIMARY KEY (class_id, person_id, role),
    CONSTRAINT ck_enrolment_role CHECK (role IN ('student', 'teacher', 'administrator', 'proctor', 'aide'))
);
CREATE INDEX ix_enrolment_person_id ON enrolment (person_id, school_id) WHERE NOT lapsed;
CREATE INDEX ix_enrolment_ends ON enrolment (ends) WHERE NOT lapsed AND ends IS NOT NULL;
CREATE INDEX ix_enrolment_sourced_id ON enrolment (sourced_id);

-- One row per record of a student; `facts` are the fields of its event, `day` and `status` what it is sought by.
CREATE TABLE record (
    record_id uuid CONSTRAINT pk_record PRIMARY KEY,
    school_id uuid NOT NULL,
    student_id uuid NOT NULL,
    kind text NOT NULL,
    day date NOT NULL,
    status text,
    facts jsonb NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    withdrawn boolean NOT NULL DEFAULT false,
    recorded_by uuid,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT fk_record_student FOREIGN KEY (school_id, student_id) REFERENCES student,
    CONSTRAINT ck_record_kind CHECK (kind IN ('behavior', 'payment', 'absence', 'grade', 'remark'))
);
CREATE INDEX ix_record_day ON record (school_id, kind, day, record_id);
CREATE INDEX ix_record_status ON record (school_id, kind, status, day, record_id);
CREATE INDEX ix_record_student_id ON record (school_id, student_id, kind, day, record_id);
-- A child is absent once from a lesson, and a receipt is one payment.
CREATE UNIQUE INDEX uq_record_absence ON record (school_id, student_id, day, coalesce(facts ->> 'period', ''))
    WHERE kind = 'absence' AND NOT withdrawn;
CREATE UNIQUE INDEX uq_record_payment_file ON record ((facts ->> 'file_id'))
    WHERE kind = 'payment' AND NOT withdrawn AND facts ->> 'file_id' IS NOT NULL;

-- A send to several schools is one task over one a school.
ALTER TABLE task ADD parent_id uuid;
CREATE INDEX ix_task_parent_id ON task (parent_id) WHERE parent_id IS NOT NULL;

CALL protect('calendar');
CALL protect('term');
CALL protect('closure');
CALL protect('school_class');
CALL protect('enrolment');
CALL protect('record');
"""
    )
